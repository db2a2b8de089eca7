"""Is the geometry of videos right? A spot of one frame is painted, and the model says which of its tokens change."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import nn

from lens_models.parts import find_parts
from lens_models.video import Video

from .decoder_input import decoder_input
from .painting import PAINTS, Changes, painted, spots, textured
from .proof import SIZES, GeometryReport, judge, least_proven
from .video_layout import VideoShape
from .video_tokens import VideoTokenLocator

__all__ = ["prove_video_geometry"]

N_FRAMES, N_SPOTS = 6, 18


def prove_video_geometry(
    model: nn.Module, processor: Any, *, locator: VideoTokenLocator | None = None, n_spots: int = N_SPOTS
) -> GeometryReport:
    """Paint spots of one frame at a time of a wide and a tall video; see `prove_geometry`.

    A spot must change most the token that is named for its place and its frame, so that the frame is proven too: what
    is named for another frame does not change there. Runs the vision tower `n_spots + 3` times a video, the decoder
    never.

    Args:
        model: in eval mode.
        processor: the model's own.
        locator: what says where the tokens are; a new one where none is given.
        n_spots: how many spots of each video are painted, one after another through its six frames.
    """
    locator = locator or VideoTokenLocator(model, processor)
    return least_proven(model, lambda size: _prove(model, locator, VideoShape(N_FRAMES, *size), n_spots), SIZES)


def _prove(model: nn.Module, locator: VideoTokenLocator, shape: VideoShape, n_spots: int) -> GeometryReport:
    size = shape.width, shape.height
    video = np.stack([np.asarray(textured(size, seed)) for seed in range(shape.frames)])
    ids: npt.NDArray[np.int64] = np.asarray(locator.encode(Video(video))["input_ids"][0])
    tokens = locator.locate(ids, [shape])
    if not len(tokens):
        return GeometryReport("none", tokens.problem or "no tokens of a video")
    first_layer = find_parts(model).layers[0]

    def run(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        inputs: Any = locator.encode(Video(frames))
        found = decoder_input(model, first_layer, inputs.to(model.device, model.dtype))[0]
        doubled: npt.NDArray[np.float64] = found.double().numpy()
        return doubled

    plain = run(video)

    def change(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        distance: npt.NDArray[np.float64] = np.linalg.norm(run(frames) - plain, axis=-1)
        return distance

    noise = np.stack([np.asarray(textured(size, seed, (0, 255))) for seed in range(50, 50 + len(video))])
    whole = np.stack([change(other) for other in (np.zeros_like(video), noise)]).max(0) > 0
    whole[locator.summaries(ids, shape)] = False  # they stand for a frame and for no part of it
    where = spots(tokens, 0, n_spots)
    frames = tuple(number % shape.frames for number in range(len(where)))
    rows = []
    for number, (box, frame) in enumerate(zip(where, frames, strict=True)):
        shown = video.copy()
        shown[frame] = np.asarray(painted(Image.fromarray(shown[frame]), box, PAINTS[number % len(PAINTS)]))
        rows.append(change(shown))
    return judge(tokens, Changes(tuple(where), np.asarray(rows), whole, frames))
