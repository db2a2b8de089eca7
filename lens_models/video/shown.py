"""A video as a model is shown it: its frames, when they are, and where they came from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Video"]

_OFF = 0.5
"""Frames by which a time may differ from that of a constant rate: half a frame, more than any rounding of it."""


@dataclass(frozen=True)
class Video:
    """The frames that are shown of a video.

    Attributes:
        frames: `[frames, height, width, 3]`, uint8, RGB, upright.
        times: when each frame begins, in seconds from the first frame of the source, by the time stamps of the file;
            None for frames that came without times.
        indices: number of each frame in the source, from 0; None as before.
        fps: mean frames a second of the source; None as before.
        n_source: how many frames the source has, or the clip of it that is shown; None as before.
        duration: how long that lasts, in seconds; None as before.
        clip: first and last second of the clip, None at an end that was not given; None where it is the whole source.
        source: name of the file, or a digest of its content; None for frames that came without a file.
    """

    frames: npt.NDArray[np.uint8] = field(repr=False)
    times: tuple[float, ...] | None = None
    indices: tuple[int, ...] | None = field(default=None, repr=False)
    fps: float | None = None
    n_source: int | None = None
    duration: float | None = None
    clip: tuple[float | None, float | None] | None = None
    source: str | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return int(self.frames.shape[2]), int(self.frames.shape[1])

    @property
    def metadata(self) -> dict[str, Any]:
        """What transformers calls `VideoMetadata`; its processors take times from `frames_indices` divided by `fps`.

        Where frames come at a constant rate these are the numbers in the file. At a variable rate the division would
        give other times than those of the file; there, `frames_indices` are the times multiplied by `fps`. Of frames
        without times nothing is said but how many they are, and a processor that needs times assumes a rate of its own.
        """
        places: list[Any] = list(range(len(self)) if self.indices is None else self.indices)
        if self.variable_rate and self.times is not None and self.fps is not None:
            places = [time * self.fps for time in self.times]
        width, height = self.size
        return {
            "total_num_frames": len(self) if self.n_source is None else self.n_source,
            "fps": self.fps,
            "duration": self.duration,
            "frames_indices": places,
            "height": height,
            "width": width,
        }

    @property
    def sampled_fps(self) -> float | None:
        """Mean frames a second of what is shown, as `VideoMetadata.sampled_fps`; None where the times are not known."""
        if self.fps is None or not self.n_source:
            return None
        return len(self) / self.n_source * self.fps

    @property
    def variable_rate(self) -> bool:
        """Whether a frame is elsewhere than its number divided by the mean rate says."""
        if self.times is None or self.indices is None or self.fps is None:
            return False
        off = np.asarray(self.times) * self.fps - np.asarray(self.indices)
        return bool(np.abs(off).max(initial=0.0) > _OFF)

    @cached_property
    def sha256(self) -> str:
        """Digest of the frames and of what is known of their times; not of the name of the file."""
        digest = hashlib.sha256(f"{self.frames.dtype} {self.frames.shape} ".encode())
        digest.update(np.ascontiguousarray(self.frames).data)
        if self.times is not None:
            digest.update(json.dumps([self.times, self.indices, self.fps, self.n_source, self.duration]).encode())
        return digest.hexdigest()
