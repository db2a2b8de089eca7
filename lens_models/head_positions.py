"""Run a head on the positions whose logits are wanted: nothing of the size sequence x vocabulary is built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

__all__ = ["last_positions_alone"]


@contextmanager
def last_positions_alone(head: nn.Module, n: int = 1) -> Iterator[None]:
    """While this lasts, the head is given the last `n` positions of each `[rows, sequence, d]` that comes to it."""

    def cut(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not args or args[0].dim() != 3 or args[0].shape[1] <= n:
            return None
        return (args[0][:, -n:], *args[1:])

    handle = head.register_forward_pre_hook(cut)
    try:
        yield
    finally:
        handle.remove()
