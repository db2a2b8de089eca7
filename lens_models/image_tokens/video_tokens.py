"""Which positions of an encoded batch are tokens of videos: which frames, and which part of them, each stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lens_models.errors import InputError
from lens_models.example_input import example_video_inputs
from lens_models.video import Video

from .coordinates import NoGeometryError
from .families import refusal, video_rule, video_token_ids
from .tokens import ImageTokens
from .video_layout import MOST_FRAMES, Shot, VideoLayout, VideoShape, coordinate_videos, video_layout

__all__ = ["VideoTokenLocator", "shape_of"]

Ints = npt.NDArray[np.int64]
_MOST_SHAPES = 256  # kept at a time, the oldest go
_NO_TOKEN = "no position of the prompt holds the token that stands for a part of a video"


def shape_of(video: Video) -> VideoShape:
    """The shape of what is shown of a video."""
    return VideoShape(len(video), *video.size)


class VideoTokenLocator:
    """Finds the tokens of videos in a model's prompts; what was found of a shape of videos is kept.

    Args:
        model: in eval mode; it is not run.
        processor: the model's own, as prompts are encoded with it.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model, processor
        self._ids = video_token_ids(model, processor)
        self._layouts: dict[VideoShape, VideoLayout | str] = {}

    def encode(self, video: Video) -> Any:
        """The inputs of one prompt with a video.

        Raises:
            InputError: the processor encodes no prompt with a video.
        """
        return example_video_inputs(self.processor, video)

    def locate(self, ids: Ints, shapes: Sequence[VideoShape]) -> ImageTokens:
        """The tokens of the videos of one row.

        Args:
            ids: `[sequence]`: the row of `input_ids`.
            shapes: of its videos, in order of the prompt.
        """
        positions = self.slots(ids)
        if not len(positions):
            return ImageTokens.none(refusal(self.model) or _NO_TOKEN)
        known: list[VideoLayout] = []
        for layout in map(self.layout, shapes):
            if isinstance(layout, str):
                return ImageTokens.none(layout)
            known.append(layout)
        slots = [len(each.kept) for each in known]
        if sum(slots) != len(positions):
            found = "+".join(map(str, slots))
            return ImageTokens.none(f"{len(positions)} tokens of videos, and {found} by the shapes of the videos")
        return ImageTokens(
            positions[np.concatenate([each.kept for each in known])],
            np.repeat(np.arange(len(known)), [len(each.boxes) for each in known]),
            np.concatenate([each.boxes for each in known]).astype(np.float32),
            view=np.concatenate([each.view for each in known]),
            frames=np.concatenate([each.frames for each in known]),
        )

    def summaries(self, ids: Ints, shape: VideoShape) -> Ints:
        """Positions of a row with one video that stand for a whole frame."""
        layout = self.layout(shape)
        assert isinstance(layout, VideoLayout), layout
        return self.slots(ids)[layout.summaries]

    def slots(self, ids: Ints) -> Ints:
        """The positions of a row that hold the token of a part of a video, other places of the same token included."""
        for each in self._ids:
            found = np.flatnonzero(ids == each)
            if len(found):
                return found.astype(np.int64)
        return np.zeros(0, dtype=np.int64)

    def layout(self, shape: VideoShape) -> VideoLayout | str:
        """How a video of a shape lies in its tokens, or why that is not known."""
        if shape not in self._layouts:
            if len(self._layouts) >= _MOST_SHAPES:
                del self._layouts[next(iter(self._layouts))]
            self._layouts[shape] = self._layout(shape)
        return self._layouts[shape]

    def _layout(self, shape: VideoShape) -> VideoLayout | str:
        try:
            return refusal(self.model) or self._find_layout(shape)
        except (NoGeometryError, InputError) as error:
            return str(error)
        except Exception as error:  # what a processor makes of a video of an unusual shape is its own affair
            return f"the video could not be traced: {type(error).__name__}: {str(error)[:200]}"

    def _find_layout(self, shape: VideoShape) -> VideoLayout:
        if shape.frames > MOST_FRAMES:
            raise NoGeometryError(f"{shape.frames} frames; at most {MOST_FRAMES} can be told apart")
        shots: list[Shot] = []
        ids: list[Tensor] = []
        for video in coordinate_videos(shape):
            inputs = self.encode(video)
            ids.append(torch.as_tensor(inputs["input_ids"]))
            shots.append(Shot.of(inputs, shape.frames))
        if any(not torch.equal(each, ids[0]) for each in ids):
            raise NoGeometryError("the prompt depends on what a video shows, not on its shape alone")
        slots = len(self.slots(ids[0][0].numpy()))
        if not slots:
            raise NoGeometryError(_NO_TOKEN)
        return video_layout(shots, slots, shape, self.model, video_rule(self.model.config.model_type))
