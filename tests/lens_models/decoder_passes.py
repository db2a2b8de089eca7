"""Counts passes through a decoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lens_models import find_parts


@contextmanager
def decoder_passes(model: Any) -> Iterator[list[tuple[int, int]]]:
    """Rows and positions of each pass through the first decoder layer while this lasts."""
    found: list[tuple[int, int]] = []

    def ran(module: Any, args: Any, kwargs: Any) -> None:
        hidden = args[0] if args else kwargs["hidden_states"]
        found.append((hidden.shape[0], hidden.shape[1]))

    handle = find_parts(model).layers[0].register_forward_pre_hook(ran, with_kwargs=True)
    try:
        yield found
    finally:
        handle.remove()
