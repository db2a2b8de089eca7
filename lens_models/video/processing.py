"""What a model's processor is told of videos beside their frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers.processing_utils import VideosKwargs

from lens_models.errors import InputError

from .shown import Video

__all__ = ["video_arguments"]


def video_arguments(processor: Any, videos: Sequence[Video]) -> dict[str, Any]:
    """Arguments of a processor for videos whose frames were chosen already; none without videos.

    Each family takes its times from `video_metadata` in its own way: Qwen2.5-VL the seconds between frames that its
    positions count by, Qwen3-VL, GLM-4V, SmolVLM, VideoLLaMA 3 and others the times that they write into the prompt.
    The Omni models of Qwen have one rate for all videos of a batch instead.

    Raises:
        InputError: the processor takes one rate, and the videos have several.
    """
    if not videos:
        return {}
    told: dict[str, Any] = {
        "videos": [video.frames for video in videos],
        "video_metadata": [video.metadata for video in videos],
        "do_sample_frames": False,
    }
    rates = {video.sampled_fps for video in videos}
    if "video_second_per_grid" in getattr(processor, "model_input_names", ()) and rates != {None}:
        if len(rates) > 1:
            found = ", ".join("unknown" if rate is None else f"{rate:.3g}" for rate in sorted(rates, key=str))
            raise InputError(
                f"{type(processor).__name__} takes one number of frames a second for all videos of a batch, and these "
                f"are shown at {found}; use batch_size=1, and fps or nframes where one prompt has several videos"
            )
        told["fps"] = rates.pop()
    known = VideosKwargs.__annotations__
    return {name: value for name, value in told.items() if name == "videos" or name in known}
