"""A map over the image tokens of one answer, in its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["MaskEffect", "PictureMap"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PictureMap:
    """One number for each image token.

    Attributes:
        values: `[tokens]`: a probability, or a share of the attention.
        boxes: `[tokens, 4]`: left, top, right, bottom of each token, in shares of its picture's width and height.
        image: `[tokens]`: number of its picture or video, from 0.
        layer: the layer; None for one map of all layers.
        title: what it is a map of.
        pictures: the pictures of the question, or the frames of its video.
        frames: `[tokens, 2]`: the first and the last frame that a token of a video stands for, from 0; None for
            pictures.
    """

    values: Floats = field(repr=False)
    boxes: Floats = field(repr=False)
    image: npt.NDArray[np.int64] = field(repr=False)
    layer: int | None
    title: str
    pictures: Sequence[Image.Image] = field(default=(), repr=False)
    frames: npt.NDArray[np.int64] | None = field(default=None, repr=False)

    def frame(self, number: int) -> PictureMap:
        """The map over one frame of a video, from 0: of the tokens that stand for it.

        Raises:
            ValueError: it is no map of a video, or no token stands for that frame.
        """
        if self.frames is None:
            raise ValueError("this is the map of pictures, which have no frames")
        own = (self.frames[:, 0] <= number) & (number <= self.frames[:, 1])
        if not own.any():
            raise ValueError(f"frame={number}; expected one from 0 to {self.frames.max(initial=0)}")
        pictures = self.pictures[number : number + 1]
        title = f"{self.title}, frame {number}"
        return PictureMap(self.values[own], self.boxes[own], self.image[own], self.layer, title, pictures)

    @property
    def by_frame(self) -> npt.NDArray[np.float64]:
        """`[frames]`: sum of the map in each frame of a video; a token that stands for two counts half in each.

        Raises:
            ValueError: it is no map of a video.
        """
        if self.frames is None:
            raise ValueError("this is the map of pictures, which have no frames")
        numbers = np.arange(self.frames.max(initial=-1) + 1)
        first, last = self.frames.T
        inside = (first <= numbers[:, None]) & (numbers[:, None] <= last)
        return np.asarray((inside / (last - first + 1)) @ self.values.astype(np.float64))

    @property
    def grid(self) -> Floats:
        """`[rows, columns]` where the tokens of the one picture are a grid without overlap.

        Raises:
            ValueError: several pictures, a video (see `frame`), or a picture shown whole and in pieces; `values` and
                `boxes` say it then.
        """
        self._refuse_video()
        tops, lefts = np.unique(self.boxes[:, 1]), np.unique(self.boxes[:, 0])
        order = np.lexsort((self.boxes[:, 0], self.boxes[:, 1]))
        if self.image.any() or len(tops) * len(lefts) != len(self.values):
            raise ValueError(
                f"{len(self.values)} image tokens of {self.image.max(initial=0) + 1} pictures are no single grid; use "
                "values and boxes"
            )
        return self.values[order].reshape(len(tops), len(lefts))

    def plot(self, ax: Any = None, *, image: int = 0) -> Any:
        """The picture with the map over it, in matplotlib axes; those of a new figure without any.

        Args:
            ax: axes to draw into.
            image: which picture.

        Returns:
            The axes.

        Raises:
            ValueError: it is the map of a whole video; see `frame`.
        """
        self._refuse_video()
        import matplotlib.pyplot as plt
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Rectangle

        if ax is None:
            _, ax = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
        picture = self.pictures[image]
        width, height = picture.size
        ax.imshow(picture, extent=(0, width, height, 0))
        own = self.image == image
        scale = np.array([width, height, width, height])
        places = [
            Rectangle((left, top), right - left, bottom - top)
            for left, top, right, bottom in self.boxes[own].astype(np.float64) * scale
        ]
        top_value = float(self.values.max(initial=0.0)) or 1.0
        shares = self.values[own] / top_value
        shown = PatchCollection(places, cmap="magma", alpha=0.6 * shares, linewidths=0)
        shown.set_array(self.values[own])
        shown.set_clim(0, top_value)
        ax.add_collection(shown)
        ax.set_xlim(0, width)
        ax.set_ylim(height, 0)
        ax.set_axis_off()
        ax.set_title(self.title, fontsize=9, loc="left")
        ax.figure.colorbar(shown, ax=ax, shrink=0.8)
        return ax

    def _refuse_video(self) -> None:
        if self.frames is not None:
            raise ValueError("this is the map of a video; frame(number) has that of one frame")


@dataclass(frozen=True)
class MaskEffect:
    """What became of an answer without the image tokens of a box.

    Attributes:
        drop: log-odds of the answer given at the last layer minus the same without them, in nats.
        random: mean of the same over draws of as many image tokens outside.
        null: mean of the same over boxes of the same size and distance from the centre; None where one fits nowhere.
    """

    drop: float
    random: float
    null: float | None
