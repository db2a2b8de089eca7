"""Decode a video into evenly spaced frames, with PyAV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError

__all__ = ["DEFAULT_FRAMES", "open_video", "sample_places"]

DEFAULT_FRAMES = 32


def open_video(
    video: object, *, where: str, max_frames: int = DEFAULT_FRAMES, fps: float | None = None
) -> npt.NDArray[np.uint8]:
    """Frames `[frames, height, width, 3]`, RGB, evenly spaced over the whole video.

    At most `max_frames` of them, or `fps` a second where given, whichever is less. An array is returned as it is.

    Raises:
        InputError: names `where` the video came from and what is wrong with it.
    """
    if isinstance(video, np.ndarray):
        return video
    path = video.get("path") or video.get("url") if isinstance(video, dict) else video
    if not isinstance(path, str | Path):
        raise InputError(f"{where}: expected the path of a video, found {type(video).__name__}")
    frames, seconds = _decode(str(path), where)
    wanted = max_frames if fps is None else min(max_frames, max(1, round(fps * seconds)))
    return np.stack([frames[place] for place in sample_places(len(frames), wanted)])


def sample_places(n_frames: int, wanted: int) -> list[int]:
    """`wanted` evenly spaced places out of `n_frames`, first and last included; all of them where there are fewer."""
    if n_frames <= wanted:
        return list(range(n_frames))
    return [int(place) for place in np.linspace(0, n_frames - 1, wanted).round()]


def _decode(path: str, where: str) -> tuple[list[Any], float]:
    try:
        import av
    except ImportError as error:
        raise InputError(f"{where}: videos need PyAV, which is not installed (pip install av)") from error
    try:
        with av.open(path) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            seconds = float(container.duration or 0) / 1_000_000
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{where}: the video {path} cannot be read ({error}); check or remove this sample") from error
    if not frames:
        raise InputError(f"{where}: the video {path} has no frames; check or remove this sample")
    return frames, seconds
