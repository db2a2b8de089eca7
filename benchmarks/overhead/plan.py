"""Which cases are timed, and in how many rounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .cases import Case
from .shapes import SHAPES

__all__ = ["SHORT", "cases"]

SHORT = 2  # tokens of a yes/no answer and its end


def cases(
    shapes: Iterable[str],
    batches: Iterable[int],
    tokens: Iterable[int],
    device: str,
    *,
    rounds: int | None = None,
    full: bool = False,
) -> Iterator[Case]:
    """All combinations; on a processor what takes minutes only when `full`.

    On two cores a generation of the 0.5B shape takes 3 s with 2 tokens, 23 s in a batch of eight, a minute with 128.
    """
    for name in shapes:
        for length in tokens:
            for batch in batches:
                short = length == SHORT
                if device != "cpu" or (name == "lens_tiny" and (short or full)):
                    yield Case(SHAPES[name], batch, length, rounds or (9 if short else 3), others=3, naive=3)
                elif name == "lens_tiny":
                    yield Case(SHAPES[name], batch, length, rounds or 3)
                elif batch == 1 and short:
                    yield Case(SHAPES[name], batch, length, rounds or 5, others=2, naive=1)
                elif full:
                    yield Case(SHAPES[name], batch, length, rounds or 3)
