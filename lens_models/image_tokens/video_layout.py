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

__all__ = ["MOST_FRAMES", "Shot", "VideoLayout", "VideoRule", "VideoShape", "coordinate_videos", "video_layout"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST_FRAMES = 256
"""Frames that can be told apart by their brightness."""
_MOST_JOINED = 4
"""Frames that a family joins in a token at most."""


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


@dataclass(frozen=True)
class Shot:
    """What is kept of the inputs of one of the `coordinate_videos`: of a long video they would fill the memory.

    Attributes:
        head: the pixel inputs of its first frames.
        sample: some numbers of the pixel inputs of all frames.
    """

    head: dict[str, Tensor] = field(repr=False)
    sample: dict[str, Tensor] = field(repr=False)

    @classmethod
    def of(cls, inputs: Mapping[str, Any], frames: int) -> Shot:
        """Of the inputs of a prompt with a video of so many frames."""
        given = {name: _led(value) for name, value in inputs.items() if isinstance(value, Tensor) and value.dim() > 1}
        pixels = {n: value for n, value in given.items() if value.is_floating_point() or value.dtype == torch.uint8}
        heads = {name: value[: -(-len(value) * _MOST_JOINED // frames)] for name, value in pixels.items()}
        samples = {n: value[..., ::5, ::7] if value.dim() > 3 else value[..., ::7] for n, value in pixels.items()}
        return cls(*({name: value.clone() for name, value in each.items()} for each in (heads, samples)))


def video_layout(shots: Sequence[Shot], slots: int, shape: VideoShape, model: Any, rule: VideoRule) -> VideoLayout:
    """The layout of a video, from the `coordinate_videos`.

    Where the tokens of a frame lie is found for the first one; that the others lie alike is looked at.

    Args:
        shots: of each of them.
        slots: how many places a video of this shape has in the prompt.
        shape: of the videos.
        model: in eval mode.
        rule: of its family.

    Raises:
        NoGeometryError: says what does not fit.
    """
    first = [unit for tensor in shown_places([shot.head for shot in shots]).units for unit in _units(tensor)]
    sampled = [unit for tensor in shown_places([shot.sample for shot in shots]).units for unit in _units(tensor)]
    if len(sampled) < slots and all(is_picture(unit[..., :2]) for unit in first):
        groups = [unit.flatten(0, 1)[None] for unit in sampled]
        times = [tuple(_frames(unit, shape.frames)[0].tolist()) for unit in groups]
        whole = first[0]
    else:
        groups, times = _groups(sampled, shape.frames)
        whole = torch.cat([unit.flatten(1, -2) for unit in first])[: len(groups[0])]
    inside, rest = divmod(slots - rule.after, len(groups))
    if rest or any(not _alike(group, groups[0]) for group in groups):
        raise NoGeometryError(f"{slots} tokens of a video, whose {len(groups)} frames do not lie alike")
    boxes = _boxes(whole[..., :2], inside - rule.before_each, model)
    row = [False] * rule.before_each + [True] * len(boxes)
    end = [False] * rule.after
    return VideoLayout(
        np.array(row * len(groups) + end, dtype=bool),
        np.array([not each for each in row] * len(groups) + end, dtype=bool),
        np.tile(boxes, (len(groups), 1)),
        np.repeat(np.array(times, dtype=np.int64), len(boxes), axis=0),
        np.repeat(np.arange(len(groups)), len(boxes)),
    )


def _led(tensor: Tensor) -> Tensor:
    """A pixel input with frames or patches along its first axis: without an axis of one video."""
    return tensor.squeeze(0) if tensor.dim() > 2 and tensor.shape[0] == 1 else tensor


def _units(tensor: Tensor) -> list[Tensor]:
    """Pictures `[height, width, 3]`, or sequences of patches `[patches, numbers, 3]`; one picture alone is no video."""
    return list(tensor) if tensor.dim() == 4 else split_units(tensor)


def _frames(patches: Tensor, count: int) -> Ints:
    """`[patches, 2]`: first and last frame that the numbers of patches `[patches, numbers, 3]` show.

    A patch of nothing but a border is of the same frames as that before it.
    """
    places = patches[..., 2].double() * (count - 1)
    known = torch.isfinite(places)
    if not known.any() or float((places - places.round())[known].abs().max()) > 0.25:
        raise NoGeometryError("numbers of the pixel input show several frames at once")
    first = places.masked_fill(~known, torch.inf).amin(1)
    last = places.masked_fill(~known, -torch.inf).amax(1)
    seen = known.any(1).numpy()
    before = np.maximum.accumulate(np.where(seen, np.arange(len(seen)), int(seen.argmax())))
    found: Ints = torch.stack([first, last], dim=1).round().numpy()[before].astype(np.int64)
    return found


def _groups(units: Sequence[Tensor], count: int) -> tuple[list[Tensor], list[tuple[int, ...]]]:
    """Sequences of patches cut where other frames begin."""
    patches = torch.cat([unit.flatten(1, -2) for unit in units])
    frames = _frames(patches, count)
    starts = np.flatnonzero((np.diff(frames, axis=0, prepend=frames[:1] - 1) != 0).any(1)).tolist()
    return list(torch.tensor_split(patches, starts[1:])), [tuple(frames[start].tolist()) for start in starts]


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether two frames lie alike in their patches."""
    return one.shape == other.shape and torch.allclose(one[..., :2], other[..., :2], atol=0.02, equal_nan=True)


def _boxes(unit: Tensor, tokens: int, model: Any) -> Floats:
    """The boxes of the tokens of a frame, or of frames that are joined."""
    if tokens < 1:
        raise NoGeometryError("fewer places in the prompt than frames")
    return _of_frame(unit, tokens, patch_side(model)) if is_picture(unit) else patches_in_blocks([unit], tokens)[0]


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
