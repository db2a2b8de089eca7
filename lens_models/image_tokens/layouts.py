"""From the places that a processor shows to the rectangles that image tokens stand for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .coordinates import NoGeometryError, Shown
from .grids import Axis, Floats, fit_axis, grid_boxes, line_means, patch_order, shapes

__all__ = [
    *("Layout", "Places", "Rule", "grid", "is_picture", "patch_side", "patches_in_blocks", "pieces", "split_units"),
    *("tile_axes", "token_grid"),
]

_CHANNELS = (1, 3, 4)
_PIXELS_OFF = 1.5  # resizing to many times the size makes steps


@dataclass(frozen=True)
class Layout:
    """The image tokens of one picture of one size.

    Attributes:
        kept: `[slots]`, bool: which of the picture's places in the prompt stand for a part of it; the others are ends
            of rows and the like.
        boxes: `[tokens, 4]`, fp64: of those kept, as in `ImageTokens`.
        view: `[tokens]`, int64, as in `ImageTokens`.
    """

    kept: npt.NDArray[np.bool_] = field(repr=False)
    boxes: Floats = field(repr=False)
    view: npt.NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True)
class Places:
    """What a layout is made of.

    Attributes:
        shown: the places of the picture in the pixel input.
        slots: how many places the picture has in the prompt.
        model: in eval mode.
        inputs: of a prompt with the picture alone.
    """

    shown: Shown
    slots: int
    model: Any = field(repr=False)
    inputs: Mapping[str, Any] = field(repr=False)


Rule = Callable[[Places], Layout]


def patch_side(model: Any) -> int | None:
    """Side of a vision tower's patches in pixels; None where the configuration does not say."""
    config = getattr(model, "config", None)
    for part in (getattr(config, "vision_config", None), config):
        value = part.get("patch_size") if isinstance(part, dict) else getattr(part, "patch_size", None)
        value = value[0] if isinstance(value, list | tuple) and value else value
        if isinstance(value, int):
            return value
    return None


def grid(places: Places) -> Layout:
    """Each piece of the picture, in the order of the pixel input, is a grid of tokens, row by row.

    Pieces are pictures (`[pieces, 3, height, width]`), or sequences of patches whose places say how they lie.

    Raises:
        NoGeometryError: says what does not fit.
    """
    made = pieces(places, places.slots)
    boxes = np.concatenate(made)
    if len(boxes) != places.slots:
        raise NoGeometryError(f"{len(boxes)} cells were found for {places.slots} image tokens")
    view = np.repeat(np.arange(len(made)), [len(each) for each in made])
    return Layout(np.ones(len(boxes), dtype=bool), boxes, view)


def pieces(places: Places, tokens: int) -> list[Floats]:
    """The boxes of each piece of the picture, as a grid, when `tokens` tokens are shared among them by their size.

    Raises:
        NoGeometryError: says what does not fit.
    """
    units = [unit for tensor in places.shown.units for unit in split_units(tensor)]
    if all(is_picture(unit) for unit in units):
        seen = [unit for unit in units if torch.isfinite(unit).any()]
        if len(units) < max(2, tokens):
            return [_tile(unit, tokens, seen, patch_side(places.model)) for unit in seen]
        units = [torch.stack(units)]
    side = patch_side(places.model)
    sequences = [part for unit in units for part in _segments(_strip(unit, side), places.inputs)]
    return patches_in_blocks(sequences, tokens)


def _strip(unit: Tensor, side: int | None) -> Tensor:
    """Patches `[patches, ...]` of a unit; some processors lay them side by side as one low picture."""
    if side and unit.dim() == 3 and unit.shape[0] == side and unit.shape[1] % side == 0:
        return unit.reshape(side, -1, side, 2).transpose(0, 1)
    return unit


def _segments(patches: Tensor, inputs: Mapping[str, Any]) -> list[Tensor]:
    """A sequence of patches cut into those of each piece, where an input says how many rows and columns each has."""
    for name, value in inputs.items():
        if (
            isinstance(value, Tensor)
            and value.dim() == 2
            and value.shape[1] in (2, 3)
            and not value.is_floating_point()
        ):
            counts = value.prod(1).tolist()
            if name not in ("input_ids", "attention_mask") and sum(counts) == len(patches):
                return list(torch.split(patches, counts))
    return [patches]


def _whole_numbers(value: Tensor) -> bool:
    return not value.is_floating_point() and value.dtype != torch.bool


def split_units(tensor: Tensor) -> list[Tensor]:
    """Pictures `[height, width, 2]` (channels joined) or sequences of patches `[patches, numbers, 2]`."""
    tensor = tensor.squeeze(0) if tensor.dim() > 3 and tensor.shape[0] == 1 else tensor
    if tensor.dim() >= 4 and tensor.shape[-4] in _CHANNELS and min(tensor.shape[-3:-1]) > 1:
        return list(tensor.flatten(0, -5).nanmean(-4)) if tensor.dim() > 4 else [tensor.nanmean(-4)]
    if tensor.dim() >= 5 and tensor.shape[-2] in _CHANNELS:
        return list(tensor.nanmean(-2).flatten(1, -4).nanmean(1)) if tensor.dim() > 5 else list(tensor.nanmean(-2))
    if tensor.dim() == 4:
        return list(tensor)
    return [tensor.flatten(1, -2)]


def is_picture(unit: Tensor) -> bool:
    return unit.dim() == 3 and min(unit.shape[:2]) > 1 and _varies_along_axes(unit)


def _varies_along_axes(unit: Tensor) -> bool:
    """Whether x is the same down each column: in a picture it is, in a sequence of flattened patches it is not."""
    random = np.random.default_rng(0)
    rows, columns = (torch.from_numpy(np.sort(random.permutation(n)[:96])) for n in unit.shape[:2])
    some = unit[rows][:, columns]
    x, y = some[..., 0], some[..., 1]
    by_column = float((x - x.nanmean(0, keepdim=True)).abs().nan_to_num().max())
    by_row = float((y - y.nanmean(1, keepdim=True)).abs().nan_to_num().max())
    return max(by_column, by_row) < 0.05


def _spread(sequences: list[Tensor]) -> tuple[float | None, float | None]:
    """Width and height of a patch, from the places inside it; None where no patch is whole."""
    spans = torch.cat([each.flatten(1, -2).amax(1) - each.flatten(1, -2).amin(1) for each in sequences])
    whole = spans[torch.isfinite(spans).all(-1)]
    if not len(whole):
        return None, None
    width, height = whole.median(0).values.tolist()
    return width, height


def tile_axes(unit: Tensor) -> tuple[Axis, Axis]:
    """Where the pixels of one piece `[height, width, 2]` lie in the picture."""
    columns = unit[..., 0].nanmean(0).double().numpy()
    rows = unit[..., 1].nanmean(1).double().numpy()
    return fit_axis(columns, tolerance=_PIXELS_OFF), fit_axis(rows, tolerance=_PIXELS_OFF)


def _tile(unit: Tensor, slots: int, units: list[Tensor], patch: int | None) -> Floats:
    height, width = unit.shape[:2]
    area = sum(each.shape[0] * each.shape[1] for each in units)
    tokens = slots * height * width / area
    rows, columns, cell = token_grid(height, width, tokens, patch)
    x, y = tile_axes(unit)
    return grid_boxes(x.scaled(cell[0]), y.scaled(cell[1]), rows, columns)


def token_grid(height: int, width: int, tokens: float, patch: int | None) -> tuple[int, int, tuple[float, float]]:
    """Rows, columns and (width, height) in pixels of the tokens of a piece.

    Raises:
        NoGeometryError: the tokens make no grid of square cells.
    """
    count = round(tokens)
    if abs(count - tokens) > 0.01 or count < 1:
        raise NoGeometryError(f"{tokens:g} image tokens for a piece of {width}x{height} pixels")
    side = math.sqrt(height * width / count)
    near = max(1, round(side / patch)) if patch else 1
    for cell in (near * patch, (near + 1) * patch, max(1, near - 1) * patch) if patch else ():
        if (height // cell) * (width // cell) == count:
            return height // cell, width // cell, (cell, cell)
    for rows, columns in shapes(count):
        if height % rows == 0 and width % columns == 0 and height * columns == width * rows:
            return rows, columns, (width / columns, height / rows)
    raise NoGeometryError(f"{count} image tokens make no grid over a piece of {width}x{height} pixels")


def patches_in_blocks(sequences: list[Tensor], slots: int) -> list[Floats]:
    """Boxes of the tokens that blocks of patches are joined into."""
    block = _block(sum(len(sequence) for sequence in sequences), slots)
    if not block:  # sequences may be filled up to one length
        sequences = [each[torch.isfinite(each).flatten(1).any(1)] for each in sequences]
        sequences = [each for each in sequences if len(each)]
        total = sum(len(sequence) for sequence in sequences)
        block = _block(total, slots)
        if not block:
            raise NoGeometryError(f"{total} patches for {slots} image tokens; they are not joined in square blocks")
    spread = _spread(sequences)
    made = []
    for sequence in sequences:
        # a patch with a border in it has no centre: what is known of it lies to one side
        centres = sequence.flatten(1, -2).mean(1).double().numpy()
        order, _ = patch_order(centres, block)
        rows, columns = order.shape
        if rows % block or columns % block:
            raise NoGeometryError(f"{columns}x{rows} patches are not joined in blocks of {block}x{block}")
        x = fit_axis(line_means(centres[order][..., 0], 0), fallback=spread[0])
        y = fit_axis(line_means(centres[order][..., 1], 1), fallback=spread[1])
        made.append(grid_boxes(x.scaled(block), y.scaled(block), rows // block, columns // block))
    return made


def _block(patches: int, tokens: int) -> int:
    """Side of the square blocks of patches that make a token; 0 where they are not square."""
    side = math.isqrt(patches // tokens) if tokens else 0
    return side if side * side * tokens == patches else 0
