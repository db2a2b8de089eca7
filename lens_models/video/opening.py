"""Open whatever a task gives as a video."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from lens_models.encoding import open_image
from lens_models.errors import InputError

from .decoding import OpenFile, Timeline, UnreadableVideoError, read_frames, read_timeline
from .sampling import VideoSampling
from .shown import Video

__all__ = ["open_video"]


def open_video(video: object, *, where: str, sampling: VideoSampling | None = None) -> Video:
    """The frames of a video that are shown.

    A file is decoded at the frames that `sampling` names, alone. Frames that a task has taken out itself, as an array
    `[frames, height, width, 3]` (or channels before height), a tensor or a list of pictures, are shown as they are: all
    of them, and without times, since nothing says when they are.

    Args:
        video: a path, an address, the content of a file, torchcodec's `VideoDecoder`, frames, a `Video`, or a mapping
            with one of them under `path`, `url`, `video` or `bytes`, and what `VideoSampling.of_visual` reads.
        where: names the sample, for an error.
        sampling: which frames; the defaults of `VideoSampling` without one.

    Raises:
        InputError: names `where` the video came from, what was found and what to do.
    """
    sampling = sampling or VideoSampling()
    if isinstance(
        encoded := getattr(video, "_hf_encoded", None), Mapping
    ):  # `datasets` keeps the file with its decoder
        video = encoded
    if hasattr(video, "get_frames_at"):
        return _of_decoder(video, sampling, where)
    if isinstance(video, Mapping):
        sampling, video = sampling.of_visual(video, where), _content(video, where)
    if isinstance(video, Video):
        return video
    if isinstance(video, np.ndarray | torch.Tensor):
        return _without_times(_array(video, where), sampling, where)
    if isinstance(video, Sequence) and not isinstance(video, str | bytes):
        return _without_times(_stacked(video, where), sampling, where)
    if isinstance(video, str) and video.startswith("data:"):
        video = base64.b64decode(video.partition(",")[2])
    if isinstance(video, bytes):
        name = f"sha256:{hashlib.sha256(video).hexdigest()[:16]}"
        return _of_file(lambda: BytesIO(video), name, sampling, where)
    if isinstance(video, str | os.PathLike):
        path = os.fspath(video).removeprefix("file://")
        return _of_file(lambda: path, path, sampling, where)
    raise InputError(f"{where}: expected the path of a video or its frames, found {type(video).__name__}")


def _content(visual: Mapping[str, Any], where: str) -> object:
    found = next((visual[name] for name in ("bytes", "path", "url", "video") if visual.get(name) is not None), None)
    if found is None:
        raise InputError(f"{where}: its video is a mapping with {sorted(visual)}; expected path, url, video or bytes")
    return found


def _array(video: Any, where: str) -> npt.NDArray[np.uint8]:
    frames = video.detach().cpu().numpy() if isinstance(video, torch.Tensor) else video
    if frames.ndim == 4 and frames.shape[1] == 3 and frames.shape[-1] != 3:
        frames = frames.transpose(0, 2, 3, 1)
    if frames.ndim != 4 or frames.shape[-1] != 3 or not all(frames.shape):
        raise InputError(
            f"{where}: its video has shape {frames.shape}; expected [frames, height, width, 3], none empty"
        )
    if frames.dtype != np.uint8:
        raise InputError(f"{where}: the numbers of its video are {frames.dtype}; expected uint8, from 0 to 255")
    whole: npt.NDArray[np.uint8] = np.ascontiguousarray(frames)
    return whole


def _stacked(video: Sequence[Any], where: str) -> npt.NDArray[np.uint8]:
    pictures: list[Image.Image] = [open_image(each, where=f"{where}, frame {i}") for i, each in enumerate(video)]
    sizes = list(dict.fromkeys(picture.size for picture in pictures))
    if len(sizes) != 1:
        found = " and ".join(f"{width}x{height}" for width, height in sizes) or "none"
        raise InputError(f"{where}: the frames of its video are of several sizes ({found})")
    return np.stack([np.asarray(picture) for picture in pictures])


def _without_times(frames: npt.NDArray[np.uint8], sampling: VideoSampling, where: str) -> Video:
    if sampling.clip is not None:
        raise InputError(
            f"{where}: video_start and video_end are given for frames whose times are not known; give the video as a "
            "file, or the frames of the clip without them"
        )
    return Video(frames)


def _of_file(file: Any, name: str, sampling: VideoSampling, where: str) -> Video:
    try:
        import av
    except ImportError as error:
        raise InputError(f"{where}: videos need PyAV, which is not installed (pip install av)") from error
    _require_content(name, where)
    open_file: OpenFile = lambda: av.open(file())  # noqa: E731
    read = functools.partial(_shown, open_file, name, sampling, where)
    try:
        try:
            return read(exact=False)
        except UnreadableVideoError:
            return read(exact=True)  # some files tell of frames that are not shown
    except (UnreadableVideoError, av.error.FFmpegError, OSError, ValueError, EOFError) as error:
        raise InputError(f"{where}: the video {name} cannot be read ({error}); check or remove this sample") from error


def _of_decoder(decoder: Any, sampling: VideoSampling, where: str) -> Video:
    """The frames that torchcodec's decoder gives, with their times."""
    told = decoder.metadata
    n_frames, start = len(decoder), float(told.begin_stream_seconds or 0.0)
    duration = float(told.end_stream_seconds) - start
    places = sampling.places(0, n_frames - 1, duration, where)
    try:
        found = decoder.get_frames_at(indices=places)
    except (RuntimeError, IndexError, ValueError) as error:  # what torchcodec raises for a damaged file
        raise InputError(f"{where}: the video cannot be decoded ({error}); check or remove this sample") from error
    return Video(
        _array(found.data, where),
        times=tuple(float(second) - start for second in found.pts_seconds),
        indices=tuple(places),
        fps=told.average_fps,
        n_source=n_frames,
        duration=duration,
    )


def _require_content(name: str, where: str) -> None:
    if "://" in name or name.startswith("sha256:"):
        return
    if not Path(name).is_file():
        raise InputError(f"{where}: the video {name} is not there; check the folder of the data set's videos")
    if not Path(name).stat().st_size:
        raise InputError(f"{where}: the video {name} is empty (0 bytes); get it again, or remove this sample")


def _shown(open_file: OpenFile, name: str, sampling: VideoSampling, where: str, *, exact: bool) -> Video:
    line = read_timeline(open_file, exact=exact)
    first, last = _clip(line, sampling, name, where)
    seconds = line.seconds
    end = seconds[last + 1] if last + 1 < len(seconds) else line.duration
    duration = float(end - seconds[first])
    places = sampling.places(first, last, duration, where)
    return Video(
        read_frames(open_file, line, places),
        times=tuple(float(seconds[place]) for place in places),
        indices=tuple(places),
        fps=line.fps,
        n_source=last - first + 1,
        duration=duration,
        clip=sampling.clip,
        source=name if name.startswith("sha256:") else Path(name).name,
    )


def _clip(line: Timeline, sampling: VideoSampling, name: str, where: str) -> tuple[int, int]:
    """First and last of the frames that begin in the clip, which ends with the video at the latest.

    Raises:
        InputError: no frame begins in it.
    """
    if sampling.clip is None:
        return 0, len(line.stamps) - 1
    start = 0.0 if sampling.start is None else sampling.start
    end = line.duration if sampling.end is None else sampling.end
    inside = np.flatnonzero((line.seconds >= start - line.time_base / 2) & (line.seconds <= end + line.time_base / 2))
    if not len(inside):
        raise InputError(
            f"{where}: no frame of the video {name} begins from {start:g} s to {end:g} s; it lasts "
            f"{line.duration:.3f} s and has {len(line.stamps)} frames. Correct video_start and "
            "video_end of this sample, or remove it"
        )
    return int(inside[0]), int(inside[-1])
