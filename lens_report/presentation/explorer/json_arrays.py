"""JSON of arrays, one text a sample: cells are looked up and joined, in a third of the time of lists of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lens_report.presentation.document.safe import json_text
from lens_report.presentation.explorer.steps import whole_numbers

LIMIT = 2**17
"""Whole numbers below it, of either sign, are looked up."""
Floats = NDArray[np.float64]


def number_texts(values: Floats, scale: int) -> list[str]:
    """Each sample's numbers in parts of `scale` as whole ones, null where missing: float [n, L] or [n, L, k]."""
    known = np.isfinite(values)
    parts = np.where(known, np.round(scale * values), 0.0)
    if np.abs(parts).max(initial=0.0) >= LIMIT:
        return [json_text(row) for row in whole_numbers(values, scale)]
    return joined(_whole()[np.where(known, parts.astype(np.int64) + LIMIT, -1)])


def joined(cells: NDArray[np.object_]) -> list[str]:
    """A list of each sample's cells, JSON already, object [n, L] or [n, L, k]; the array is written to."""
    if not cells.shape[-1]:
        return [json_text(row) for row in cells.tolist()]
    cells[..., 0] = "[" + cells[..., 0]
    cells[..., -1] += "]"
    texts = [",".join(row) for row in cells.reshape(len(cells), -1).tolist()]
    return texts if cells.ndim == 2 else [f"[{text}]" for text in texts]


def object_text(members: Iterable[tuple[str, str | None]]) -> str:
    """An object of names and JSON; what is None is left out."""
    return "{" + ",".join(f"{_quoted(name)}:{text}" for name, text in members if text is not None) + "}"


@cache
def _quoted(name: str) -> str:
    return json_text(name)


@cache
def _whole() -> NDArray[np.object_]:
    """The JSON of -LIMIT to LIMIT - 1, and of a missing one."""
    return np.array([*map(str, range(-LIMIT, LIMIT)), "null"], dtype=object)
