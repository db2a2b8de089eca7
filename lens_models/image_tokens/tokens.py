"""The image tokens of one prompt."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["Box", "ImageTokens", "overlap"]

Floats = npt.NDArray[np.float64]

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in shares of the picture's width and height, `0, 0` at its top left."""


@dataclass(frozen=True)
class ImageTokens:
    """Which positions of a prompt stand for which part of which picture.

    Tokens that stand for no part of a picture (ends of rows, starts and ends of images) are not among them.

    Attributes:
        positions: `[tokens]`, int64, rising: places in the sequence that the decoder layers see, padding on the left
            included.
        image: `[tokens]`, int64: number of the picture in order of the prompt, from 0.
        boxes: `[tokens, 4]`, fp32: left, top, right, bottom of what the token stands for, in shares of the picture's
            width and height. They reach outside 0 to 1 where the model is shown a border that its processor added, and
            pictures shown whole and in pieces have several tokens for one place. None where a token stands for no one
            part of a picture.
        problem: why there are no boxes or no positions; None when all is well.
        view: `[tokens]`, int64: which showing of its picture a token belongs to, from 0: one of the pieces that the
            picture was cut into, or the whole of it made small; of a video one for each frame, or for each group of
            frames that are joined. None where there are no boxes.
        frames: `[tokens, 2]`, int64: the first and the last frame that a token of a video stands for, numbered as they
            are shown, from 0; `image` is the number of the video then. None of pictures. No prompt that shows both has
            tokens here.
    """

    positions: npt.NDArray[np.int64] = field(repr=False)
    image: npt.NDArray[np.int64] = field(repr=False)
    boxes: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    problem: str | None = None
    view: npt.NDArray[np.int64] | None = field(default=None, repr=False)
    frames: npt.NDArray[np.int64] | None = field(default=None, repr=False)

    @classmethod
    def none(cls, problem: str | None = None) -> ImageTokens:
        """No image tokens, and why."""
        empty = np.zeros(0, dtype=np.int64)
        boxes, view = (np.zeros((0, 4), dtype=np.float32), empty) if problem is None else (None, None)
        return cls(empty, empty, boxes, problem, view)

    def __len__(self) -> int:
        return len(self.positions)

    def only(self, kept: npt.NDArray[np.bool_]) -> ImageTokens:
        """Some of them, `kept` `[tokens]`."""
        boxes = None if self.boxes is None else self.boxes[kept]
        view = None if self.view is None else self.view[kept]
        frames = None if self.frames is None else self.frames[kept]
        return ImageTokens(self.positions[kept], self.image[kept], boxes, self.problem, view, frames)

    @property
    def shown(self) -> npt.NDArray[np.int64]:
        """`[tokens, 2]`: the first and the last of what a token stands for, frames of a video or pictures in order."""
        return np.stack([self.image, self.image], axis=1) if self.frames is None else self.frames

    def inside(self) -> Floats:
        """`[tokens]`: the share of each token's area that lies in the picture and not in a border."""
        return self.overlap([(0.0, 0.0, 1.0, 1.0)])

    def overlap(self, boxes: Sequence[Box]) -> Floats:
        """`[tokens]`: the share of each token's area that lies in the union of `boxes` of its picture."""
        assert self.boxes is not None, "these image tokens have no place in the picture"
        return overlap(self.boxes, boxes)


def overlap(places: npt.ArrayLike, boxes: Sequence[Box]) -> Floats:
    """`[places]`: the share of each place's area, `[places, 4]`, that lies in the union of `boxes`.

    The union is exact: a place that two boxes share counts once.
    """
    own = np.asarray(places, dtype=np.float64).reshape(-1, 4)
    covered = np.zeros(len(own))
    if not len(boxes):
        return covered
    given = np.asarray(boxes, dtype=np.float64)
    xs, ys = np.unique(given[:, [0, 2]]), np.unique(given[:, [1, 3]])
    for left, right in itertools.pairwise(xs):
        for top, bottom in itertools.pairwise(ys):
            x, y = (left + right) / 2, (top + bottom) / 2
            if ((given[:, 0] <= x) & (x < given[:, 2]) & (given[:, 1] <= y) & (y < given[:, 3])).any():
                width = np.minimum(own[:, 2], right) - np.maximum(own[:, 0], left)
                height = np.minimum(own[:, 3], bottom) - np.maximum(own[:, 1], top)
                covered += np.clip(width, 0, None) * np.clip(height, 0, None)
    area = (own[:, 2] - own[:, 0]) * (own[:, 3] - own[:, 1])
    share: Floats = np.where(area > 0, covered / np.where(area > 0, area, 1), 0.0)
    return share
