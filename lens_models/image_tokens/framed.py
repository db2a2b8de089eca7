"""Layouts in which some of the places of a picture in the prompt are ends of rows or borders of the picture."""

from __future__ import annotations

import functools

import numpy as np

from .coordinates import NoGeometryError
from .grids import Floats
from .layouts import Layout, Places, Rule, pieces

__all__ = ["ended_rows"]


def ended_rows(before: int, after: int) -> Rule:
    """One picture, row by row, an end after each row; `before` and `after` places around it."""
    return functools.partial(_ended_rows, before, after)


def _ended_rows(before: int, after: int, places: Places) -> Layout:
    """The number of rows is the one for which patches make square blocks.

    Raises:
        NoGeometryError: no number of rows fits, or the picture is in several pieces.
    """
    inner = places.slots - before - after
    for rows in (each for each in range(1, inner) if inner % each == 0):
        columns = inner // rows - 1
        if columns < 1:
            break
        try:
            made = pieces(places, rows * columns)
        except NoGeometryError:
            continue
        if len(made) == 1 and len(made[0]) == rows * columns and _columns(made[0]) == columns:
            row = [True] * columns + [False]
            kept = np.array([False] * before + row * rows + [False] * after)
            return Layout(kept, made[0], np.zeros(len(made[0]), dtype=np.int64))
    raise NoGeometryError(f"{inner} places make no rows with an end each")


def _columns(boxes: Floats) -> int:
    return len(np.unique(boxes[:, 0].round(6)))
