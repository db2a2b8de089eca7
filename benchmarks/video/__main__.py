"""`python -m benchmarks.video`: 32 frames of videos of a minute to an hour at 1080p, each in a process of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from benchmarks.measure import Check, Column, PeakMemory, at_most, describe_machine, exit_code, show, write_json
from lens_models.video import VideoSampling, open_video

_COLUMNS = (
    *(Column("minutes", "minutes"), Column("frames", "frames in it"), Column("mib", "MiB on disk")),
    *(Column("seconds", "seconds"), Column("peak_mib", "peak MiB"), Column("shown_mib", "of it the frames shown")),
)
_WIDTH, _HEIGHT, _RATE, _GROUP, _SHOWN = 1920, 1080, 30, 250, 32
_MOST_MIB = 300.0


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when an hour takes more memory than it may."""
    arguments = _arguments(words)
    if arguments.open:
        print(json.dumps(_opened(arguments.open)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        rows = [_measured(Path(folder) / f"{minutes}.mp4", minutes) for minutes in arguments.minutes]
    show(f"{_SHOWN} frames of a video at {_WIDTH}x{_HEIGHT}", _COLUMNS, rows)
    checks = targets(rows)
    write_json(arguments.out / "video_cpu.json", describe_machine(torch.device("cpu")), rows, checks)
    return exit_code(checks)


def targets(rows: Iterable[Mapping[str, Any]]) -> list[Check]:
    """No length takes more than 300 MiB beside what the process held before; 190 of them are the frames shown."""
    return [
        at_most(f"peak MiB of {row['minutes']} minutes", row["peak_mib"] or float("nan"), _MOST_MIB) for row in rows
    ]


def _measured(path: Path, minutes: int) -> dict[str, Any]:
    frames = _write(path, minutes)
    command = [sys.executable, "-m", "benchmarks.video", "--open", str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    row = {"minutes": minutes, "frames": frames, "mib": path.stat().st_size / 2**20, **found}
    path.unlink()
    return row


def _opened(path: str) -> dict[str, Any]:
    open_video(path, where=path, sampling=VideoSampling(max_frames=1))  # what the decoder loads once
    peak = PeakMemory(torch.device("cpu"))
    with peak:
        start = time.perf_counter()
        video = open_video(path, where=path, sampling=VideoSampling(max_frames=_SHOWN))
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_mib": peak.mib, "shown_mib": video.frames.nbytes / 2**20}


def _write(path: Path, minutes: int) -> int:
    """A file of that length: one group of encoded pictures, over and over. Returns the number of frames."""
    random = np.random.default_rng(0)
    packets: list[tuple[bytes, int, int, bool]] = []
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=_RATE, options={"preset": "veryfast", "g": str(_GROUP)})
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        noise = random.integers(0, 255, (_HEIGHT, _WIDTH, 3), dtype=np.uint8) // 8
        for number in range(_GROUP):
            pixels = np.roll(noise + np.uint8(64), 4 * number, axis=1)
            pixels[200:500, 4 * number : 4 * number + 300] = 200
            encoded = stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
            packets += [(bytes(each), each.pts, each.dts, each.is_keyframe) for each in encoded]
        packets += [(bytes(each), each.pts, each.dts, each.is_keyframe) for each in stream.encode()]
        base = stream.codec_context.time_base
        groups = round(60 * minutes * _RATE / _GROUP)
        for group in range(groups):
            for content, pts, dts, key in packets:
                packet = av.Packet(content)
                packet.stream, packet.time_base, packet.is_keyframe = stream, base, key
                packet.pts, packet.dts = pts + group * _GROUP, dts + group * _GROUP
                container.mux(packet)
    return groups * _GROUP


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.video", description=__doc__)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 10, 60])
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of the JSON file")
    parser.add_argument("--open", metavar="FILE", help="measure one file, in this process")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
