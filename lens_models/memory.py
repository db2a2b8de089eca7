"""Tell a lack of memory from other failures, let go of what is no longer needed, and keep that cheap."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

__all__ = ["attempted", "free_memory", "is_out_of_memory", "older_objects_set_aside"]

R = TypeVar("R")

# what the allocators of devices without an exception class of their own say
_SAYINGS = ("out of memory", "DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that a device, or the host, had no memory left."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(saying in str(error) for saying in _SAYINGS)


def attempted(call: Callable[[], R]) -> tuple[R | None, str]:
    """What `call` gives and "", or None and what was said of the memory; the exception and what it holds are gone then.

    Failures of another kind are raised.
    """
    try:
        return call(), ""
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None, str(error).strip().split("\n")[0] or type(error).__name__


def free_memory(*, collect: bool = True) -> None:
    """Give unused memory back. Call it outside of the `except` block: the exception keeps the tensors of its frames.

    Without `collect` what refers to itself stays until the garbage collector comes by.
    """
    if collect:
        gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def older_objects_set_aside() -> Iterator[None]:
    """While this lasts, the garbage collector walks over objects that are younger than it.

    For code that collects after every batch: a pass over the objects of all imported libraries takes some tenths of a
    second, longer than a short answer. Garbage that is there already is collected before. Nothing is done where the
    program has set objects aside itself.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
