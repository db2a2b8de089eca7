"""Regular grids over a picture, fitted to the places that a processor shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .coordinates import NoGeometryError

__all__ = ["Axis", "Floats", "fit_axis", "grid_boxes", "line_means", "patch_order", "shapes"]

Floats = npt.NDArray[np.float64]
_MOST_BLOCKS = 8


@dataclass(frozen=True)
class Axis:
    """One axis of a grid: cell `i` reaches from `start + i * step` to `start + (i + 1) * step`, in shares."""

    start: float
    step: float

    def scaled(self, cells: float) -> Axis:
        """The same axis with `cells` cells joined into one."""
        return Axis(self.start, self.step * cells)


def fit_axis(centres: Floats, *, fallback: float | None = None, tolerance: float = 0.35) -> Axis:
    """The axis whose cells have these centres; NaN where a centre is not known.

    The first and last known cell are left out where there are enough, since resizing bends the picture's border.

    Args:
        centres: `[cells]`, in shares of the picture.
        fallback: the width of a cell, for an axis of which one cell alone is known.
        tolerance: how far a centre may lie from where the axis has it, in cells.

    Raises:
        NoGeometryError: fewer than two cells are known, or they are not evenly spaced.
    """
    known = np.flatnonzero(np.isfinite(centres))
    if len(known) == 1 and fallback is not None:
        return Axis(float(centres[known[0]] - (known[0] + 0.5) * fallback), fallback)
    if len(known) < 2:
        raise NoGeometryError("a piece of the picture is too narrow to see where it lies")
    inner = known[1:-1] if len(known) >= 6 else known
    step, first = np.polyfit(inner, centres[inner], 1)
    off = np.abs(centres[inner] - (first + step * inner)).max()
    if step <= 0 or off > max(tolerance * step, 2 / 255):
        raise NoGeometryError(
            f"pixels are not evenly spaced over the picture (off by {off:.3g} with steps of {step:.3g})"
        )
    return Axis(float(first - step / 2), float(step))


def grid_boxes(x: Axis, y: Axis, rows: int, columns: int) -> Floats:
    """`[rows * columns, 4]`: the cells of a grid, row by row."""
    left = np.tile(x.start + x.step * np.arange(columns), rows)
    top = np.repeat(y.start + y.step * np.arange(rows), columns)
    return np.stack([left, top, left + x.step, top + y.step], axis=1)


def shapes(n: int) -> Iterator[tuple[int, int]]:
    """All (rows, columns) of n cells."""
    return ((rows, n // rows) for rows in range(1, n + 1) if n % rows == 0)


def patch_order(centres: Floats, block: int) -> tuple[npt.NDArray[np.int64], bool]:
    """How a sequence of patches lies in the picture.

    Args:
        centres: `[patches, 2]`, x and y, in shares.
        block: side of the blocks that models join into a token.

    Returns:
        `[rows, columns]` number of the patch at each place; and whether the patches of a block stand together.

    Raises:
        NoGeometryError: neither row by row nor block by block.
    """
    best: tuple[float, npt.NDArray[np.int64], bool] | None = None
    for rows, columns in shapes(len(centres)):
        for side in dict.fromkeys((1, block)):
            if rows % side or columns % side:
                continue
            order = np.arange(len(centres)).reshape(rows // side, columns // side, side, side)
            grid = order.transpose(0, 2, 1, 3).reshape(rows, columns)
            off = _unevenness(centres[grid])
            if best is None or off < best[0] - 1e-9:
                best = off, grid, side == block
    if best is None or best[0] > 0.3:
        raise NoGeometryError("the patches of a picture are neither in rows nor in blocks")
    return best[1], best[2]


def _unevenness(grid: Floats) -> float:
    """Largest distance of a centre from that of its row and column, in cells; infinite where the order is wrong."""
    off = 0.0
    for axis, values in ((0, grid[..., 0]), (1, grid[..., 1])):
        lines = line_means(values, axis)
        steps = np.diff(lines)
        if (steps[np.isfinite(steps)] <= 0).any():
            return np.inf
        step = float(np.nanmedian(steps)) if np.isfinite(steps).any() else 1.0
        off = max(
            off, float(np.abs(values - np.expand_dims(lines, axis)).max(initial=0, where=np.isfinite(values))) / step
        )
    return off


def line_means(values: Floats, axis: int) -> Floats:
    """Means along an axis of what is known; NaN for a line without any."""
    known = np.isfinite(values)
    count = known.sum(axis)
    means: Floats = np.where(count > 0, np.where(known, values, 0).sum(axis) / np.maximum(count, 1), np.nan)
    return means
