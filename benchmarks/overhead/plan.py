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
    """All combinations; on a processor those of the large shapes that take minutes only when `full`.

    A generation of the 0.5B shape takes about 2 s on two cores, 17 s in a batch of eight, a minute with 128 tokens.
    """
    for name in shapes:
        for length in tokens:
            for batch in batches:
                cheap = name == "lens_tiny" or device != "cpu"
                if cheap:
                    yield Case(SHAPES[name], batch, length, rounds or (9 if length == SHORT else 5), naive=3)
                elif batch == 1 and length == SHORT:
                    yield Case(SHAPES[name], batch, length, rounds or 9, naive=1)
                elif length == SHORT:
                    yield Case(SHAPES[name], batch, length, rounds or 3, naive=int(full), others=full)
                elif full:
                    yield Case(SHAPES[name], batch, length, rounds or 3, others=False)
