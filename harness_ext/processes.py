"""The few exchanges between the processes of a data-parallel run."""

from __future__ import annotations

from typing import Any, TypeVar

import torch.distributed as dist

__all__ = ["first_process", "gather", "share"]

T = TypeVar("T")


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def first_process() -> bool:
    """Whether this is the process that merges and prints."""
    return not _several() or dist.get_rank() == 0


def share(value: T) -> T:
    """The first process's value, in every process."""
    if not _several():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def gather(value: T) -> list[T]:
    """The values of all processes in the first one, in order of rank; an empty list in the others."""
    if not _several():
        return [value]
    box: list[Any] | None = [None] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(value, box, dst=0)
    return box or []
