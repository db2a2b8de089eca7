"""Clips as FLAC: lossless, so that every reader gets the same samples. Needs PyAV."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_tasks.scenes.sounds.waves import RATE

Whole = npt.NDArray[np.int16]


def encode_flac(samples: Whole) -> bytes:
    """A FLAC file of samples int16 [n] at `RATE`."""
    import av  # deferred: what asks about pictures needs no sound

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flac", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream("flac", rate=RATE, options={"compression_level": "12"})
        stream.codec_context.layout = "mono"
        stream.codec_context.format = "s16"
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def decode_flac(content: bytes) -> Whole:
    """The samples int16 [n] of a FLAC file of one channel at `RATE`."""
    import av

    with av.open(io.BytesIO(content), "r") as container:
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.concatenate(frames).astype(np.int16, copy=False)
