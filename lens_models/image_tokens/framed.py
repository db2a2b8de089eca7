"""Layouts in which some of the places of a picture in the prompt are ends of rows or borders of the picture."""

from __future__ import annotations

import functools

import numpy as np
import torch

from .coordinates import NoGeometryError
from .grids import Floats, fit_axis, grid_boxes, line_means
from .layouts import Layout, Places, Rule, pieces

__all__ = ["ended_rows", "pooled"]


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


def pooled(places: Places) -> Layout:
    """Molmo 2: inputs say which patches make each token, and how many rows and columns they fill.

    The whole picture small comes first, then its pieces put together.

    Raises:
        NoGeometryError: the inputs are missing or do not fit the prompt.
    """
    table, shape = (places.inputs.get(name) for name in ("image_token_pooling", "image_grids"))
    if table is None or shape is None:
        raise NoGeometryError("no input says which patches make a token")
    table, numbers = torch.as_tensor(table), torch.as_tensor(shape).flatten().tolist()
    grids = [(rows, columns) for rows, columns in zip(numbers[::2], numbers[1::2], strict=True) if rows * columns]
    if len(table) != places.slots or sum(rows * columns for rows, columns in grids) != places.slots:
        raise NoGeometryError(f"{len(table)} groups of patches for {places.slots} image tokens")
    patches = places.shown.units[0].double().mean(-2).flatten(0, -2)
    members = torch.where((table < 0).unsqueeze(-1), torch.nan, patches[table.clamp(min=0)])
    made, done = [], 0
    for rows, columns in grids:
        centres = members[done : done + rows * columns].mean(1).numpy().reshape(rows, columns, 2)
        x, y = fit_axis(line_means(centres[..., 0], 0)), fit_axis(line_means(centres[..., 1], 1))
        made.append(grid_boxes(x, y, rows, columns))
        done += rows * columns
    view = np.repeat(np.arange(len(made)), [len(each) for each in made])
    return Layout(np.ones(places.slots, dtype=bool), np.concatenate(made), view)
