"""Other attributes of an object for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["shadowed"]


@contextmanager
def shadowed(target: Any, **attributes: Any) -> Iterator[None]:
    """While this lasts, an instance, class or module has these attributes; what it had of its own comes back."""
    own = {name: vars(target)[name] for name in attributes if name in vars(target)}
    for name, value in attributes.items():
        setattr(target, name, value)
    try:
        yield
    finally:
        for name in attributes:
            if name in own:
                setattr(target, name, own[name])
            else:
                delattr(target, name)
