"""Events of a clip (tones, noise, clicks, sweeps, recordings) and their waveform."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

RATE: Final = 16_000
"""Samples a second."""
KINDS: Final = ("tone", "noise", "click", "sweep")
STEP: Final = 16
"""Samples are whole multiples of this on the scale of 16 bits: 12 bits, which make small files and cannot be heard."""
_RAMP: Final = 0.005
_CLICK: Final = 0.003


@dataclass(frozen=True)
class Event:
    """One sound of a clip.

    Attributes:
        kind: one of `KINDS`, or `speech`.
        start: seconds from the beginning of the clip.
        duration: seconds.
        pitch: of a tone, or of a sweep at its start, in Hz.
        pitch_end: of a sweep at its end, in Hz.
        gain: peak of a tone, where full scale is 1.
        seed: of the random samples of noise and clicks.
        recording: what is spoken, float32 [n] at `RATE`.
    """

    kind: str
    start: float
    duration: float
    pitch: float = 0.0
    pitch_end: float = 0.0
    gain: float = 0.3
    seed: int = 0
    recording: Samples | None = field(default=None, repr=False)


def waveform(events: tuple[Event, ...], duration: float) -> npt.NDArray[np.int16]:
    """Samples int16 [n] at `RATE` of a clip of so many seconds, each a multiple of `STEP`."""
    whole = np.zeros(round(duration * RATE))
    for event in events:
        sound = _sound(event)
        start = round(event.start * RATE)
        end = min(len(whole), start + len(sound))
        whole[start:end] += sound[: end - start]
    return (np.rint(np.clip(whole, -0.99, 0.99) * 32768 / STEP) * STEP).astype(np.int16)


def _sound(event: Event) -> npt.NDArray[np.float64]:
    if event.recording is not None:
        peak = float(np.abs(event.recording).max())
        return event.recording.astype(np.float64) * (event.gain / peak)
    count = round(event.duration * RATE)
    times = np.arange(count) / RATE
    if event.kind == "click":
        rng = np.random.default_rng(event.seed)
        return 2 * event.gain * rng.uniform(-1, 1, count) * np.exp(-times / _CLICK)
    if event.kind == "noise":
        return event.gain * np.random.default_rng(event.seed).uniform(-1, 1, count) * _envelope(count)
    return event.gain * np.sin(2 * np.pi * _cycles(event, times)) * _envelope(count)


def _cycles(event: Event, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cycles since the start; the logarithm of a sweep's pitch changes evenly."""
    if event.kind == "tone":
        return event.pitch * times
    rise = np.log(event.pitch_end / event.pitch)
    result: npt.NDArray[np.float64] = event.pitch * event.duration / rise * np.expm1(rise * times / event.duration)
    return result


def _envelope(count: int) -> npt.NDArray[np.float64]:
    """Raised cosines at both ends, so that a tone does not click."""
    ramp = np.sin(np.linspace(0, np.pi / 2, round(_RAMP * RATE))) ** 2
    envelope = np.ones(count)
    envelope[: len(ramp)] = ramp
    envelope[-len(ramp) :] = ramp[::-1]
    return envelope
