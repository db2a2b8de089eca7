"""Imports of large libraries, over whose objects the garbage collector need not walk."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["objects_set_aside"]


@contextmanager
def objects_set_aside() -> Iterator[None]:
    """The garbage collector waits while libraries are imported, and passes over their objects from then on.

    They last as long as the process. The collector walks over all it knows again and again, and once more when the
    process ends: for the libraries of a report that takes more than half a second.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
