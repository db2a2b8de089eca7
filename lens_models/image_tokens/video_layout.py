"""Which frames and which part of them each token of a video stands for: the processor is asked, as for pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lens_models.video import Video

from .coordinates import NoGeometryError, coordinate_pictures, shown_places
from .grids import Floats, grid_boxes
from .layouts import is_picture, patch_side, patches_in_blocks, split_units, tile_axes, token_grid

__all__ = ["MOST_FRAMES", "VideoLayout", "VideoRule", "VideoShape", "coordinate_videos", "video_layout"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST_FRAMES = 256
"""Frames that can be told apart by their brightness."""


@dataclass(frozen=True)
class VideoShape:
    """How many frames are shown, and their width and height in pixels."""

    frames: int
    width: int
    height: int


@dataclass(frozen=True)
class VideoRule:
    """Places of a video in the prompt that stand for no part of a frame.

    Attributes:
        before_each: so many before the tokens of each frame, which stand for the frame as a whole.
        after: so many after the last frame, which stand for nothing.
    """

    before_each: int = 0
    after: int = 0


@dataclass(frozen=True)
class VideoLayout:
    """The tokens of one video of one shape.

    Attributes:
        kept: `[slots]`, bool: which of the video's places in the prompt stand for a part of a frame.
        summaries: `[slots]`, bool: which of the others stand for a whole frame.
        boxes: `[tokens, 4]`, fp64: of those kept, as in `ImageTokens`.
        frames: `[tokens, 2]`, int64, as in `ImageTokens`.
        view: `[tokens]`, int64, as in `ImageTokens`.
    """

    kept: Bools = field(repr=False)
    summaries: Bools = field(repr=False)
    boxes: Floats = field(repr=False)
    frames: Ints = field(repr=False)
    view: Ints = field(repr=False)


def coordinate_videos(shape: VideoShape) -> Iterator[Video]:
    """Black, white, brighter to the right, brighter downwards, and brighter from frame to frame."""
    for picture in coordinate_pictures((shape.width, shape.height)):
        still = np.asarray(picture)
        yield Video(np.broadcast_to(still, (shape.frames, *still.shape)).copy())
    later = np.rint(np.linspace(0, 255, shape.frames)).astype(np.uint8)
    whole = np.broadcast_to(later[:, None, None, None], (shape.frames, shape.height, shape.width, 3))
    yield Video(np.ascontiguousarray(whole))


def video_layout(
    shots: Sequence[Mapping[str, Any]], slots: int, shape: VideoShape, model: Any, rule: VideoRule
) -> VideoLayout:
    """The layout of a video, from the inputs of the `coordinate_videos`.

    Args:
        shots: the inputs of each of them.
        slots: how many places a video of this shape has in the prompt.
        shape: of the videos.
        model: in eval mode.
        rule: of its family.

    Raises:
        NoGeometryError: says what does not fit.
    """
    units = [unit for tensor in shown_places(shots).units for unit in _units(tensor)]
    if len(units) < slots and all(is_picture(unit[..., :2]) for unit in units):
        shown = [unit for unit in units if torch.isfinite(unit).any()]
        times = [tuple(_frames(unit.flatten(0, 1)[None], shape.frames)[0].tolist()) for unit in shown]
    else:
        shown, times = _groups(units, shape.frames)
    inside = slots - rule.after - rule.before_each * len(shown)
    boxes = _boxes([unit[..., :2] for unit in shown], inside, model)
    sizes = [len(each) for each in boxes]
    if sum(sizes) != inside:
        raise NoGeometryError(f"{sum(sizes)} cells were found for {inside} tokens of a video")
    row = [False] * rule.before_each
    kept = [each for size in sizes for each in (*row, *[True] * size)] + [False] * rule.after
    summary = [each for size in sizes for each in (*[True] * rule.before_each, *[False] * size)] + [False] * rule.after
    return VideoLayout(
        np.array(kept, dtype=bool),
        np.array(summary, dtype=bool),
        np.concatenate(boxes),
        np.repeat(np.array(times, dtype=np.int64), sizes, axis=0),
        np.repeat(np.arange(len(sizes)), sizes),
    )


def _units(tensor: Tensor) -> list[Tensor]:
    """Pictures `[height, width, 3]`, or sequences of patches `[patches, numbers, 3]`; one picture alone is no video."""
    tensor = tensor.squeeze(0) if tensor.dim() > 4 and tensor.shape[0] == 1 else tensor
    return list(tensor) if tensor.dim() == 4 else split_units(tensor)


def _frames(patches: Tensor, count: int) -> Ints:
    """`[patches, 2]`: first and last frame that the numbers of patches `[patches, numbers, 3]` show."""
    places = patches[..., 2].double() * (count - 1)
    known = torch.isfinite(places)
    if not known.any(1).all() or float((places - places.round())[known].abs().max()) > 0.25:
        raise NoGeometryError("numbers of the pixel input show several frames at once")
    first = places.masked_fill(~known, torch.inf).amin(1)
    last = places.masked_fill(~known, -torch.inf).amax(1)
    found: Ints = torch.stack([first, last], dim=1).round().long().numpy()
    return found


def _groups(units: Sequence[Tensor], count: int) -> tuple[list[Tensor], list[tuple[int, ...]]]:
    """Sequences of patches cut where other frames begin; patches that show nothing are left out."""
    parts, times = [], []
    for unit in units:
        patches = unit.flatten(1, -2)
        patches = patches[torch.isfinite(patches).flatten(1).any(1)]
        if not len(patches):
            continue
        frames = _frames(patches, count)
        starts = np.flatnonzero((np.diff(frames, axis=0, prepend=frames[:1] - 1) != 0).any(1)).tolist()
        parts += list(torch.tensor_split(patches, starts[1:]))
        times += [tuple(frames[start].tolist()) for start in starts]
    return parts, times


def _boxes(units: Sequence[Tensor], tokens: int, model: Any) -> list[Floats]:
    if not units:
        raise NoGeometryError("no input of the model shows the video")
    if not is_picture(units[0]):
        return patches_in_blocks(list(units), tokens)
    each, rest = divmod(tokens, len(units))
    if rest or len({unit.shape for unit in units}) > 1:
        raise NoGeometryError(f"{tokens} tokens of a video for {len(units)} frames")
    return [_of_frame(unit, each, patch_side(model)) for unit in units]


def _of_frame(unit: Tensor, tokens: int, patch: int | None) -> Floats:
    height, width = unit.shape[:2]
    try:
        rows, columns, cell = token_grid(height, width, tokens, patch)
    except NoGeometryError:  # patches that are brought to another number of rows and columns
        rows = columns = math.isqrt(tokens)
        if height != width or rows * rows != tokens:
            raise
        cell = (width / columns, height / rows)
    x, y = tile_axes(unit)
    return grid_boxes(x.scaled(cell[0]), y.scaled(cell[1]), rows, columns)
