"""Which part of a picture a map of it points at: the window of several sizes that stands out most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lens_models.image_tokens import ImageTokens

__all__ = ["Grid", "NoGridError", "grid_of", "window"]

Floats = npt.NDArray[np.float64]
PixelBox = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""
_RATIOS = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0)


class NoGridError(ValueError):
    """The image tokens of a picture are no grid."""


@dataclass(frozen=True)
class Grid:
    """Image tokens that tile a picture, or a part of it.

    Attributes:
        tokens: `[rows, columns]`, numbers of the tokens, row by row from the top left.
        left, top: where the first one begins, in shares of the picture.
        width, height: of one, in shares of the picture.
    """

    tokens: npt.NDArray[np.int64]
    left: float
    top: float
    width: float
    height: float


def grid_of(tokens: ImageTokens) -> Grid:
    """The tokens of the showing of a picture that shows the most of it; borders that lie outside are left out.

    Raises:
        NoGridError: the tokens have no places, no showing is a grid, or none shows all that is shown.
    """
    if tokens.boxes is None or tokens.view is None or not len(tokens):
        raise NoGridError(tokens.problem or "the picture has no tokens")
    grids = [_grid(np.flatnonzero(tokens.view == view), tokens.boxes) for view in np.unique(tokens.view)]
    found = max(grids, key=_area)
    if _area(found) < (1 - 1e-3) * max(_area(found), _spanned(tokens.boxes)):
        raise NoGridError("the picture is shown in pieces, and no showing has the whole of it")
    return found


def _spanned(boxes: npt.NDArray[np.float32]) -> float:
    left, top = boxes[:, :2].min(0).clip(0, 1)
    right, bottom = boxes[:, 2:].max(0).clip(0, 1)
    return float((right - left) * (bottom - top))


def _area(grid: Grid) -> float:
    rows, columns = grid.tokens.shape
    ends = np.clip([grid.left + columns * grid.width, grid.top + rows * grid.height], 0, 1)
    return float(np.prod(ends - np.clip([grid.left, grid.top], 0, 1)))


def _grid(numbers: npt.NDArray[np.int64], boxes: npt.NDArray[np.float32]) -> Grid:
    own = boxes[numbers].astype(np.float64)
    width, height = (own[0, 2] - own[0, 0]), (own[0, 3] - own[0, 1])
    left, top = own[:, 0].min(), own[:, 1].min()
    column, row = (np.rint((own[:, side] - start) / step) for side, start, step in ((0, left, width), (1, top, height)))
    columns, rows = int(column.max()) + 1, int(row.max()) + 1
    places = (row * columns + column).astype(np.int64)
    exact = np.stack([left + column * width, top + row * height], axis=1)
    if not np.allclose(exact, own[:, :2], atol=0.1 * min(width, height)) or sorted(places) != list(
        range(rows * columns)
    ):
        raise NoGridError(f"{len(own)} tokens of the picture are no grid")
    ordered = np.empty(rows * columns, dtype=np.int64)
    ordered[places] = numbers
    across = [each for each in range(columns) if left + (each + 1) * width > 1e-6 and left + each * width < 1 - 1e-6]
    down = [each for each in range(rows) if top + (each + 1) * height > 1e-6 and top + each * height < 1 - 1e-6]
    kept = ordered.reshape(rows, columns)[np.ix_(down, across)]
    return Grid(kept, left + across[0] * width, top + down[0] * height, width, height)


def window(heat: Floats, grid: Grid, size: tuple[int, int], side: int) -> PixelBox:
    """The window whose sum of a map stands out most from those beside it, for each cell in it.

    As in the authors' code of arXiv:2502.17422 (github.com/saccharomycetes/mllms_know, a64c5d5): squares of `side`
    pixels times 1, 1.2, ... 2, in steps of whole cells; of each size the place with the largest sum, of these the one
    with the largest difference to the mean of the sums one cell to the left, right, above and below, divided by its
    number of cells; the square of that size around it, moved into the picture. A picture that is no larger than the
    smallest window is the window. Theirs takes it for granted that the cells tile the picture; here they lie where the
    processor shows it.

    Args:
        heat: `[rows, columns]`.
        grid: where they lie.
        size: width and height of the picture in pixels.
        side: of the smallest window, in pixels.
    """
    rows, columns = heat.shape
    cell = grid.width * size[0], grid.height * size[1]
    best: tuple[float, int, int, tuple[int, int], float] | None = None
    for ratio in _RATIOS:
        across = min(max(1, int(side * ratio / cell[0])), columns)
        down = min(max(1, int(side * ratio / cell[1])), rows)
        if (across, down) == (columns, rows):
            break  # larger ones are the whole too
        sums = np.lib.stride_tricks.sliding_window_view(heat, (down, across)).sum(axis=(2, 3))
        x, y = (int(each) for each in np.unravel_index(int(sums.T.argmax()), sums.T.shape))
        stands_out = float(sums[y, x] - np.mean(list(_beside(sums, x, y)))) / (across * down)
        if best is None or stands_out > best[0]:
            best = stands_out, x, y, (across, down), side * ratio
    if best is None:
        return 0, 0, *size
    _, x, y, (across, down), wide = best
    middle = (
        int(grid.left * size[0] + x * cell[0] + cell[0] * across / 2),
        int(grid.top * size[1] + y * cell[1] + cell[1] * down / 2),
    )
    half = int(wide // 2)
    left, top = (min(max(at, half), whole - half) for at, whole in zip(middle, size, strict=True))
    return max(0, left - half), max(0, top - half), min(size[0], left + half), min(size[1], top + half)


def _beside(sums: Floats, x: int, y: int) -> Iterator[float]:
    for row, column in ((y, x - 1), (y, x + 1), (y - 1, x), (y + 1, x)):
        if 0 <= row < sums.shape[0] and 0 <= column < sums.shape[1]:
            yield float(sums[row, column])
