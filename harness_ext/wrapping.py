"""Put functions around those of a harness, checked and once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from importlib.metadata import version
from typing import Any

__all__ = ["UnsupportedHarnessError", "require_function", "wrap"]

_MARK = "_lens_wrapped"


class UnsupportedHarnessError(RuntimeError):
    """This version of a harness lacks a function that the lens metrics need."""


def require_function(owner: Any, name: str, parameters: Collection[str], *, distribution: str, tested: str) -> None:
    """Check that a module has a function with these parameters, perhaps among others.

    Args:
        owner: module of the harness.
        name: the function.
        parameters: names it must accept.
        distribution: the harness's name for pip.
        tested: versions to recommend.

    Raises:
        UnsupportedHarnessError: names the function, what was expected of it and what was found.
    """
    function = getattr(owner, name, None)
    found = tuple(inspect.signature(inspect.unwrap(function)).parameters) if callable(function) else ()
    if not set(parameters) <= set(found):
        raise UnsupportedHarnessError(
            f"{distribution} {version(distribution)}: {owner.__name__}.{name} was expected with the parameters "
            f"{', '.join(parameters)}; found {', '.join(found) or 'no such function'}. "
            f"Install {distribution} {tested}, or run with lens=False."
        )


def wrap(owner: Any, name: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put `wrapper(function)` in the place of a function of a module or class, for good; once is enough."""
    original = getattr(owner, name)
    if not getattr(original, _MARK, False):
        wrapped = functools.wraps(original)(wrapper(original))
        setattr(wrapped, _MARK, True)
        setattr(owner, name, wrapped)
