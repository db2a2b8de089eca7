"""The nearest known name, for the message of an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def nearest(name: object, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that is most like another one, whatever its capitals; None where none is as like as `cutoff`.

    Args:
        name: What was given.
        known: What there is.
        cutoff: From 0 to 1, as in `difflib.get_close_matches`.
    """
    near = difflib.get_close_matches(str(name).lower(), list(known), n=1, cutoff=cutoff)
    return near[0] if near else None


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """`" Did you mean NAME?"`, or nothing where no known name is near."""
    near = nearest(name, known)
    return "" if near is None else f" Did you mean {near}?"
