"""Which functions of a harness we build on, checked when they are first needed."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from importlib.metadata import version
from types import ModuleType

__all__ = ["UnsupportedHarnessError", "require_function"]


class UnsupportedHarnessError(RuntimeError):
    """This version of a harness lacks a function that the lens metrics need."""


def require_function(
    module: ModuleType, name: str, parameters: Collection[str], *, distribution: str, tested: str
) -> None:
    """Check that `module` has a function `name` with these parameters, perhaps among others.

    Args:
        module: module of the harness.
        name: the function.
        parameters: names it must accept.
        distribution: the harness's name for pip.
        tested: versions to recommend.

    Raises:
        UnsupportedHarnessError: names the function, what was expected of it and what was found.
    """
    function = getattr(module, name, None)
    found = tuple(inspect.signature(inspect.unwrap(function)).parameters) if callable(function) else ()
    if not set(parameters) <= set(found):
        raise UnsupportedHarnessError(
            f"{distribution} {version(distribution)}: {module.__name__}.{name} was expected with the parameters "
            f"{', '.join(parameters)}; found {', '.join(found) or 'no such function'}. "
            f"Install {distribution} {tested}, or run with lens=False."
        )
