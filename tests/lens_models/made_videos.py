"""Small video files whose frames can be told apart, made with PyAV's encoders."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image
from transformers.video_utils import load_video

Frames = npt.NDArray[np.uint8]


def pictures(n: int, width: int = 64, height: int = 48, seed: int = 0) -> Frames:
    """`[n, height, width, 3]`: smooth colours, another set in each frame."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 255, (n, 3, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(each).resize((width, height))) for each in small])


def write_video(
    path: Path | str,
    frames: Frames,
    *,
    rate: int | Fraction = 30,
    stamps: Sequence[int] | None = None,
    codec: str = "mpeg4",
    options: dict[str, str] | None = None,
) -> str:
    """A file of these frames at a constant rate, or at `stamps` in milliseconds."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        if stamps is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if stamps is not None:
                frame.pts, frame.time_base = stamps[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


def decoded(path: str) -> Frames:
    """All frames of a file, one after the other."""
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def open_files_with_pyav(processor: Any) -> None:
    """Let a processor open files; transformers does it with torchcodec, which is not among our packages.

    The function is transformers' own one for PyAV.
    """

    def fetch(urls: Any, sample_indices_fn: Any = None) -> Any:
        if isinstance(urls, list):
            return list(zip(*[fetch(each, sample_indices_fn) for each in urls], strict=True))
        return load_video(urls, backend="pyav", sample_indices_fn=sample_indices_fn)

    processor.video_processor.fetch_videos = fetch
