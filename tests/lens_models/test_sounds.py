"""Whatever a task gives as a sound becomes the same samples, and a processor gets them at its own rate."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import torch

from benchmarks.coverage.hearing import tone
from benchmarks.coverage.processors import processor_of
from lens_models import InputError
from lens_models.audio import Sound, audio_arguments, is_sound, open_sound, sampling_rate_of

RATE = 16_000
STEP = 2.0**-15  # of 16-bit samples


def written(samples: npt.NDArray[np.float32], rate: int = RATE, channels: int = 1) -> bytes:
    """A WAV file of 16-bit samples, the same in each channel."""
    whole = np.round(np.repeat(samples[:, None], channels, axis=1) / STEP).clip(-(2**15), 2**15 - 1).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.tobytes())
    return buffer.getvalue()


class Decoder:
    """As torchcodec's `AudioDecoder`: `data` `[channels, n]` and its rate."""

    def __init__(self, samples: npt.NDArray[np.float32]) -> None:
        self.samples = samples

    def get_all_samples(self) -> SimpleNamespace:
        return SimpleNamespace(data=torch.from_numpy(self.samples), sample_rate=RATE)


@pytest.fixture
def samples() -> npt.NDArray[np.float32]:
    return np.round(tone(440, 0.25).samples / STEP).astype(np.float32) * np.float32(STEP)


@pytest.mark.parametrize("channels", [1, 2])
def test_every_form_gives_the_same_samples(tmp_path: Path, samples: npt.NDArray[np.float32], channels: int) -> None:
    content = written(samples, channels=channels)
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    both = np.stack([samples] * channels)
    forms: dict[str, Any] = {
        "datasets": {"array": samples.astype(np.float64), "sampling_rate": RATE, "path": None},
        "a list": {"array": samples.tolist(), "sampling_rate": RATE},
        "channels first": {"array": both, "sampling_rate": RATE},
        "channels last": {"array": both.T, "sampling_rate": RATE},
        "whole numbers": {"array": (samples / STEP).astype(np.int16), "sampling_rate": RATE},
        "a pair": (samples, RATE),
        "a decoder": Decoder(both),
        "content": content,
        "datasets undecoded": {"bytes": content, "path": "a.wav"},
        "a path": str(path),
        "a Path": path,
        "an address": path.as_uri(),
        "LOAD_FILES": {"type": "audio", "audio": str(path)},
        "a Sound": Sound(samples, RATE),
    }
    for name, form in forms.items():
        found = open_sound(form, where="it")
        assert (found.rate, found.samples.dtype) == (RATE, np.float32), name
        np.testing.assert_array_equal(found.samples, samples, err_msg=name)
        assert found.duration == pytest.approx(0.25)
    assert {open_sound(each, where="it").sha256 for each in forms.values()} == {Sound(samples, RATE).sha256}
    assert open_sound(path, where="it").source == "a.wav"
    assert str(open_sound(content, where="it").source).startswith("sha256:")


def test_the_sound_of_a_compressed_file_is_found(tmp_path: Path) -> None:
    sound, path = tone(440), tmp_path / "a.flac"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("flac", rate=RATE)
        stream.layout = "mono"
        whole = np.round(sound.samples / STEP).astype(np.int16)[None]
        for start in range(0, whole.shape[1], 4096):
            frame = av.AudioFrame.from_ndarray(whole[:, start : start + 4096], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = open_sound(path, where="it")
    assert len(found.samples) == len(sound.samples)
    assert np.abs(found.samples - sound.samples).max() <= STEP


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        ({"array": [0.0], "sampling_rate": None}, r"the sampling rate of its sound is None; expected samples a second"),
        ({"array": [], "sampling_rate": RATE}, "its sound has no samples"),
        ({"array": [float("nan")], "sampling_rate": RATE}, "its sound holds NaN or infinity"),
        ({"array": np.zeros((2, 2, 2)), "sampling_rate": RATE}, r"float64 of shape \(2, 2, 2\); expected numbers"),
        ({"text": "hm"}, r"its sound is a mapping with \['text'\]; expected samples with their sampling_rate"),
        (b"nothing of the kind", r"the sound sha256:\w+ cannot be read"),
        ("/nowhere/at/all.wav", r"the sound /nowhere/at/all\.wav is not there"),
        (7, "expected a sound .* found int"),
    ],
)
def test_what_is_no_sound_is_named(sound: object, said: str) -> None:
    with pytest.raises(InputError, match=f"^document 7: .*{said}|^document 7: {said}"):
        open_sound(sound, where="document 7")


def test_a_video_without_sound_is_named(tmp_path: Path) -> None:
    from made_videos import pictures, write_video

    with pytest.raises(InputError, match="it has no sound, only video"):
        open_sound(write_video(tmp_path / "a.mp4", pictures(3)), where="it")


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_another_rate_keeps_the_tone(rate: int) -> None:
    """Against the tone itself at the new rate; the ends, where there is nothing to look at beside, are left out."""

    def wave_at(rate: int) -> npt.NDArray[np.float32]:
        return (0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.float32)

    made = Sound(wave_at(rate), rate).at_rate(RATE)
    assert len(made) == RATE
    inner = slice(400, -400)
    # soxr's high quality keeps what lies below 0.91 of the Nyquist frequency within 20 bits; fp32 sums beside it
    np.testing.assert_allclose(made[inner], wave_at(RATE)[inner], atol=2e-5)
    assert Sound(made, RATE).at_rate(RATE) is made


def test_a_processor_gets_its_own_rate() -> None:
    processor = processor_of("qwen2_audio")
    assert sampling_rate_of(processor) == RATE
    told = audio_arguments(processor, [tone(440), Sound(np.zeros(48_000, np.float32), 48_000)])
    assert told["sampling_rate"] == RATE and [len(each) for each in told["audio"]] == [8_000, RATE]
    assert audio_arguments(processor, []) == {}


@pytest.mark.parametrize(
    ("processor", "said"),
    [
        (SimpleNamespace(tokenizer=None), "takes no sounds: it has no feature extractor"),
        (SimpleNamespace(feature_extractor=SimpleNamespace()), "does not say at which sampling rate"),
    ],
)
def test_a_processor_that_takes_no_sounds_is_named(processor: object, said: str) -> None:
    with pytest.raises(InputError, match=f"SimpleNamespace {said}"):
        audio_arguments(processor, [tone(440)])


def test_what_looks_like_a_sound() -> None:
    assert is_sound({"array": [0.0], "sampling_rate": 1}) and is_sound(Decoder(np.zeros((1, 1), np.float32)))
    assert is_sound({"type": "audio", "audio": "a.wav"}) and is_sound(tone(440))
    assert not is_sound({"bytes": b"", "path": None}) and not is_sound("a.wav")
