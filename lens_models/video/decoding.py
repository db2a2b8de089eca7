"""Read a video file: when its frames are, and the pixels of some of them, in memory that does not grow with its length.

A first pass reads the packets without decoding them; a second one seeks to the key frame before each wanted frame.

The decoder is PyAV, with which lmms-eval comes. Its frames are byte for byte those of torchcodec, with which processors
of transformers open files, once it is told the colour space and range that a file names; left alone it takes those of
HD video (BT.709) for those of old television (BT.601).
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["OpenFile", "Timeline", "UnreadableVideoError", "read_frames", "read_timeline"]

OpenFile = Callable[[], AbstractContextManager[Any]]
"""Opens the file anew, as `av.open`."""
Frames = npt.NDArray[np.uint8]

_RGB, _UNNAMED, _BT601, _BT709 = 0, 2, 5, 1
_LIMITED, _FULL = 1, 2


class UnreadableVideoError(Exception):
    """What was found instead of a whole video."""


@dataclass(frozen=True)
class Timeline:
    """The frames of a file in the order in which they are shown.

    Attributes:
        stamps: `[frames]`, int64, rising: their time stamps, in `time_base` seconds.
        keys: rising (stamp of a key frame, stamp to seek to for it); none where frames are told by their order alone,
            so that the file must be read from its beginning.
        time_base: seconds.
        fps: mean frames a second; None of a single frame of a file that does not say how long it lasts.
        duration: seconds from the beginning of the first frame to the end of the last.
    """

    stamps: npt.NDArray[np.int64] = field(repr=False)
    keys: tuple[tuple[int, int], ...] = field(repr=False)
    time_base: float
    fps: float | None
    duration: float

    @property
    def seconds(self) -> npt.NDArray[np.float64]:
        """`[frames]`: when each frame begins, from the first one on."""
        found: npt.NDArray[np.float64] = (self.stamps - self.stamps[0]) * self.time_base
        return found


@dataclass
class _Packets:
    """What was seen of the packets of the video stream: stamp, duration, key frames as in `Timeline`."""

    stamps: list[int] = field(default_factory=list)
    durations: dict[int, int] = field(default_factory=dict)
    keys: list[tuple[int, int]] = field(default_factory=list)
    count: int = 0
    end: float = 0.0
    """Second up to which the file reaches, in any of its streams."""
    stamped: bool = True

    def see(self, packet: Any, of_video: bool) -> None:
        begin = packet.dts if packet.pts is None else packet.pts
        if begin is not None:
            self.end = max(self.end, float((begin + (packet.duration or 0)) * packet.time_base))
        if not of_video:
            return
        self.count += 1
        self.stamped &= packet.pts is not None
        if packet.pts is None or packet.is_discard:
            return
        if not self.stamps or packet.pts >= max(self.durations):
            self.durations = {packet.pts: packet.duration or 0}  # of the last frame
        self.stamps.append(packet.pts)
        if packet.is_keyframe:
            self.keys.append((packet.pts, packet.pts if packet.dts is None else min(packet.dts, packet.pts)))


def read_timeline(open_file: OpenFile, *, exact: bool = False) -> Timeline:
    """When the frames of a file are.

    Args:
        open_file: opens it.
        exact: decode the whole file for it, one frame at a time. This is done too where packets have no time stamps of
            their own. Frames come in the order in which they are shown, even where stamps were guessed (AVI).

    Raises:
        UnreadableVideoError: no video, no frames, no time stamps, or less than the header names.
    """
    with open_file() as container:
        stream = _video_stream(container)
        packets = _Packets()
        for packet in container.demux():
            if packet.size:
                packets.see(packet, packet.stream_index == stream.index)
        _require_whole(container, stream, packets)
        named = stream.average_rate
        time_base = stream.time_base
    if exact or not packets.stamped:
        packets = _decoded(open_file)
    stamps = np.sort(np.asarray(packets.stamps, dtype=np.int64))
    if not len(stamps):
        raise UnreadableVideoError("it has no frames")
    last = packets.durations.get(int(stamps[-1]), 0)
    rate, duration = _rate(stamps, last, time_base, named)
    return Timeline(stamps, tuple(sorted(packets.keys)), float(time_base), rate, duration)


def _rate(
    stamps: npt.NDArray[np.int64], last: int, time_base: Fraction, named: Fraction | None
) -> tuple[float | None, float]:
    """Mean frames a second, and how long the frames last; `last` is how long the last one does, 0 where not known.

    By the time stamps, as torchcodec has it; the rate in the header may be that of the densest part. Where they are the
    same but for rounding it is the header's.
    """
    span = int(stamps[-1] - stamps[0])
    if not last:
        last = round(span / (len(stamps) - 1)) if span else round(1 / named / time_base) if named else 0
    duration = (span + last) * time_base
    if not duration:
        return None, 0.0
    rate = len(stamps) / duration
    return float(named if named and abs(named / rate - 1) < 1e-9 else rate), float(duration)


def _decoded(open_file: OpenFile) -> _Packets:
    """The stamps of the frames themselves; nothing to seek by."""
    found = _Packets()
    with open_file() as container:
        for frame in container.decode(_video_stream(container)):
            if frame.pts is None:
                raise UnreadableVideoError("its frames have no time stamps; put it into a container such as mp4")
            found.stamps.append(frame.pts)
    return found


def _video_stream(container: Any) -> Any:
    from av.stream import Disposition

    found = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not found:
        kinds = sorted({each.type for each in container.streams}) or ["nothing"]
        raise UnreadableVideoError(f"it has no video stream, only {' and '.join(kinds)}")
    found[0].thread_type = "AUTO"
    return found[0]


def _require_whole(container: Any, stream: Any, packets: _Packets) -> None:
    """Raise where a file was cut short: its header tells of more than can be read.

    Containers of the mp4 family number their frames. Other headers tell of a length, which is rounded, and may be that
    of a stream which ends a little later.
    """
    if "mp4" in container.format.name and stream.frames > packets.count:
        raise UnreadableVideoError(f"it is cut short: {packets.count} frames of {stream.frames} that its header names")
    named = float(container.duration or 0) / 1e6
    end = named + float(container.start_time or 0) / 1e6
    if packets.count and packets.end < end - max(1.0, 0.05 * named):
        raise UnreadableVideoError(f"it is cut short: {packets.end:.1f} s of {named:.1f} s that its header names")


def read_frames(open_file: OpenFile, line: Timeline, places: Sequence[int]) -> Frames:
    """The frames with these numbers, `[frames, height, width, 3]`, RGB, upright.

    Args:
        open_file: opens the file.
        line: of the file.
        places: rising numbers of frames.

    Raises:
        UnreadableVideoError: a frame is not there, or frames are of several sizes.
    """
    frames: Frames | None = None
    with open_file() as container:
        for number, found in enumerate(_picked(container, _video_stream(container), line, places)):
            picture = _upright(found)
            if frames is None:
                frames = np.empty((len(places), *picture.shape), dtype=np.uint8)
            if picture.shape != frames.shape[1:]:
                sizes = " and ".join(f"{each[1]}x{each[0]}" for each in (frames.shape[1:], picture.shape))
                raise UnreadableVideoError(f"its frames are of several sizes ({sizes})")
            frames[number] = picture
    assert frames is not None
    return frames


def _picked(container: Any, stream: Any, line: Timeline, places: Sequence[int]) -> Iterator[Any]:
    """The frames with these numbers; what lies between two key frames is decoded, nothing else.

    A frame may not be shown after seeking (open groups of pictures); the file is read from its beginning then.
    """
    decoded, here = container.decode(stream), -1
    for place in places:
        stamp = int(line.stamps[place])
        at = bisect.bisect_right(line.keys, (stamp, stamp)) - 1
        if not line.keys:
            found = next(itertools.islice(decoded, place - here - 1, None), None)
        else:
            if at > 0 and (here < 0 or line.keys[at][0] > line.stamps[here]):
                container.seek(line.keys[at][1], stream=stream)
                decoded = container.decode(stream)
            found = _next(decoded, stamp)
            if found is None:
                container.seek(line.keys[0][1], stream=stream)
                decoded = container.decode(stream)
                found = _next(decoded, stamp)
        if found is None:
            raise UnreadableVideoError(f"its frame at {float(line.seconds[place]):.3f} s cannot be decoded")
        here = place
        yield found


def _next(decoded: Iterator[Any], stamp: int) -> Any:
    found = next((frame for frame in decoded if frame.pts is not None and frame.pts >= stamp), None)
    return found if found is not None and found.pts == stamp else None


def _upright(frame: Any) -> Frames:
    """`[height, width, 3]`: RGB, turned as the file says; the stored angle is counterclockwise."""
    return np.ascontiguousarray(np.rot90(_rgb(frame), round(frame.rotation / 90) % 4))


def _rgb(frame: Any) -> Frames:
    space = int(frame.colorspace)
    if space not in (_RGB, _UNNAMED):
        # the target is RGB, which has no such space; one that differs from the source makes PyAV pass the source on
        frame = frame.reformat(
            format="rgb24",
            src_colorspace=space,
            dst_colorspace=_BT709 if space == _BT601 else _BT601,
            src_color_range=int(frame.color_range) or _LIMITED,
            dst_color_range=_FULL,
        )
    pixels: Frames = frame.to_ndarray(format="rgb24")
    return pixels
