"""Which frames of a video are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lens_models.errors import InputError

__all__ = ["DEFAULT_FRAMES", "VideoSampling", "as_number"]

DEFAULT_FRAMES = 32


@dataclass(frozen=True)
class VideoSampling:
    """Evenly spaced frames of a video or of a clip of it, first and last included.

    Attributes:
        max_frames: at most so many.
        fps: so many a second, where that is less.
        nframes: exactly so many, whatever the other two say.
        start: first second of the clip, counted from the first frame of the source; None for its beginning.
        end: last second of the clip; None for its end.
    """

    max_frames: int = DEFAULT_FRAMES
    fps: float | None = None
    nframes: int | None = None
    start: float | None = None
    end: float | None = None

    @property
    def clip(self) -> tuple[float | None, float | None] | None:
        """Start and end, or None where the whole video is shown."""
        return None if self.start is None and self.end is None else (self.start, self.end)

    def of_visual(self, visual: Mapping[str, Any], where: str) -> VideoSampling:
        """The same with what a task's visual says: `video_start`, `video_end`, `fps`, `nframes`, `max_frames`.

        Names and meaning are those of qwen_vl_utils, which lmms-eval's tasks and wrappers share.

        Raises:
            InputError: a value that is no number of its kind.
        """
        given = {name: visual[name] for name in _NAMES if visual.get(name) is not None}
        numbers = {_NAMES[name]: as_number(value, name, where) for name, value in given.items()}
        for name in ("max_frames", "nframes"):
            if name in numbers and (numbers[name] < 1 or numbers[name] != int(numbers[name])):
                raise InputError(f"{where}: {name}={numbers[name]:g} of its video; expected a whole number from 1 on")
        if numbers.get("fps", 1.0) <= 0:
            raise InputError(f"{where}: fps={numbers['fps']:g} of its video; expected a number above 0")
        whole: dict[str, Any] = {name: int(numbers[name]) for name in ("max_frames", "nframes") if name in numbers}
        changed: VideoSampling = replace(self, **{**numbers, **whole})
        if changed.start is not None and changed.end is not None and changed.end <= changed.start:
            raise InputError(
                f"{where}: its clip ends at {changed.end:g} s and starts at {changed.start:g} s; expected a later end. "
                "Correct video_start and video_end of this sample, or remove it"
            )
        return changed

    def places(self, first: int, last: int, seconds: float, where: str) -> list[int]:
        """Which of the frames from `first` to `last`, that take `seconds`, are shown; all where there are fewer.

        Raises:
            InputError: `nframes` are wanted and there are fewer.
        """
        n_frames = last - first + 1
        if self.nframes is not None and self.nframes > n_frames:
            raise InputError(
                f"{where}: nframes={self.nframes}, and its video has {n_frames} frames; use max_num_frames, which "
                "takes what there is"
            )
        wanted = self.max_frames if self.fps is None else min(self.max_frames, max(1, round(self.fps * seconds)))
        wanted = min(n_frames, self.nframes or wanted)
        return [int(place) for place in np.linspace(first, last, wanted).round()]


_NAMES = {
    "video_start": "start",
    "video_end": "end",
    "fps": "fps",
    "nframes": "nframes",
    "max_frames": "max_frames",
}
"""Key of a visual -> attribute."""


def as_number(value: object, name: str, where: str) -> float:
    """A finite number. Raises `InputError` for anything else, naming it."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = float("nan")
    if not np.isfinite(found):
        raise InputError(f"{where}: {name}={value!r} of its video; expected a number")
    return found
