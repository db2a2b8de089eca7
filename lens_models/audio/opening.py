"""Open whatever a task gives as a sound."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_models.errors import InputError

from .shown import Sound

__all__ = ["is_sound", "open_sound"]

Samples = npt.NDArray[np.float32]
_NAMES = ("bytes", "path", "url", "audio", "audio_url")
_FORMS = "samples with their sampling_rate, an AudioDecoder, a path, or the content of a file"


def is_sound(medium: object) -> bool:
    """Whether these are samples with their rate, or the decoder that `datasets` gives for them."""
    if isinstance(medium, Sound):
        return True
    if isinstance(medium, Mapping):
        return "sampling_rate" in medium or medium.get("type") == "audio" or isinstance(medium.get("audio"), str)
    return hasattr(medium, "get_all_samples")


def open_sound(sound: object, *, where: str) -> Sound:
    """A sound of one channel; of several the mean is taken, as `datasets` and librosa do.

    Args:
        sound: `{"array", "sampling_rate"}` as `datasets` decodes it, torchcodec's `AudioDecoder`, a path, an address,
            the content of a file, a `Sound`, or a mapping with one of the last under `bytes`, `path`, `url` or `audio`.
        where: names the sample, for an error.

    Raises:
        InputError: names `where` the sound came from, what was found and what to do.
    """
    if isinstance(sound, Sound):
        return sound
    if hasattr(sound, "get_all_samples"):
        return _of_decoder(sound, where)
    if isinstance(sound, Mapping):
        if sound.get("array") is not None:
            return _of_samples(sound["array"], sound.get("sampling_rate"), where)
        sound = _content(sound, where)
    if isinstance(sound, tuple) and len(sound) == 2:  # as transformers and vLLM take them
        return _of_samples(sound[0], sound[1], where)
    if isinstance(sound, str) and sound.startswith("data:"):
        sound = base64.b64decode(sound.partition(",")[2])
    if isinstance(sound, bytes):
        return _of_file(BytesIO(sound), f"sha256:{hashlib.sha256(sound).hexdigest()[:16]}", where)
    if isinstance(sound, str | os.PathLike):
        path = os.fspath(sound).removeprefix("file://")
        _require_content(path, where)
        return _of_file(path, path if "://" in path else Path(path).name, where)
    raise InputError(f"{where}: expected a sound ({_FORMS}), found {type(sound).__name__}")


def _content(sound: Mapping[str, Any], where: str) -> object:
    found = next((sound[name] for name in _NAMES if sound.get(name) is not None), None)
    if found is None:
        raise InputError(f"{where}: its sound is a mapping with {sorted(sound)}; expected {_FORMS}")
    return found


def _of_decoder(decoder: Any, where: str) -> Sound:
    try:
        found = decoder.get_all_samples()
        return _of_samples(found.data.cpu().numpy(), found.sample_rate, where)
    except (RuntimeError, ValueError, OSError) as error:  # what torchcodec raises for a damaged file
        raise InputError(f"{where}: the sound cannot be decoded ({error}); check or remove this sample") from error


def _of_samples(array: Any, rate: Any, where: str, source: str | None = None) -> Sound:
    """Samples `[n]`, `[channels, n]` or `[n, channels]`; of several channels there are fewer than samples."""
    samples = np.asarray(array)
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.integer | np.floating) or not rate > 0:
        raise InputError(f"{where}: the sampling rate of its sound is {rate!r}; expected samples a second, above 0")
    if samples.dtype.kind == "i":
        samples = samples / -float(np.iinfo(samples.dtype).min)
    if samples.dtype.kind != "f" or samples.ndim not in (1, 2):
        raise InputError(f"{where}: its sound is {samples.dtype} of shape {samples.shape}; expected numbers, [samples]")
    if samples.ndim == 2:
        samples = samples.mean(axis=0 if samples.shape[0] <= samples.shape[1] else 1)
    if not len(samples):
        raise InputError(f"{where}: its sound has no samples; check or remove this sample")
    whole = np.ascontiguousarray(samples, dtype=np.float32)
    if not np.isfinite(whole).all():
        raise InputError(f"{where}: its sound holds NaN or infinity; check or remove this sample")
    return Sound(whole, int(rate), source)


def _require_content(path: str, where: str) -> None:
    if "://" in path:
        return
    if not Path(path).is_file():
        raise InputError(f"{where}: the sound {path} is not there; check the folder of the data set's sounds")
    if not Path(path).stat().st_size:
        raise InputError(f"{where}: the sound {path} is empty (0 bytes); get it again, or remove this sample")


def _of_file(file: Any, name: str, where: str) -> Sound:
    try:
        import av
    except ImportError as error:
        raise InputError(f"{where}: files of sound need PyAV, which is not installed (pip install av)") from error
    try:
        samples, rate = _decoded(av, file)
    except (av.error.FFmpegError, OSError, ValueError, EOFError) as error:
        raise InputError(f"{where}: the sound {name} cannot be read ({error}); check or remove this sample") from error
    return _of_samples(samples, rate, where, name)


def _decoded(av: Any, file: Any) -> tuple[Samples, int]:
    """`[channels, n]`, fp32, and the rate, of the first stream of sound; a video's sound counts."""
    with av.open(file) as container:
        if not container.streams.audio:
            kinds = sorted({each.type for each in container.streams}) or ["nothing"]
            raise ValueError(f"it has no sound, only {' and '.join(kinds)}")
        stream = container.streams.audio[0]
        as_floats, parts = av.AudioResampler(format="fltp"), []
        for frame in container.decode(stream):
            parts += [each.to_ndarray() for each in as_floats.resample(frame)]
        if not parts:
            raise ValueError("it has no samples")
        return np.concatenate(parts, axis=1), int(stream.rate)
