"""Controls draw no lots from anybody's pot."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from lens_models.generation import unchanged_random_state

__all__ = ["unchanged_randomness"]


@contextmanager
def unchanged_randomness() -> Iterator[None]:
    """Afterwards Python's, numpy's and torch's random states are what they were: tasks and models may have drawn."""
    python, numpy = random.getstate(), np.random.get_state()
    with unchanged_random_state() as rewind:
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            rewind()
