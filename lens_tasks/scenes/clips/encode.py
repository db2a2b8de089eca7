"""Videos as files: lossless H.264 in RGB, which every reader that stands on FFmpeg decodes to the same pixels."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any, Final

from lens_tasks.scenes.clips.clip import STEP
from lens_tasks.scenes.render import Pixels

RATE: Final = Fraction(1_000_000, STEP)
"""Frames a second."""


def encode_mp4(frames: Pixels) -> bytes:
    """An MP4 file of frames, uint8 [n, height, width, 3], that decodes to these very pixels.

    Needs PyAV, which lmms-eval brings along. Quantiser 0 leaves the transform out, so that nothing is rounded; and
    without conversion to YUV no colour is.
    """
    import av  # deferred: only building the benchmark needs it

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        options = {"qp": "0", "preset": "veryslow", "threads": "1"}
        stream: Any = container.add_stream("libx264rgb", rate=RATE, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb24"
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()
