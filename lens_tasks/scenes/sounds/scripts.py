"""Scripts of clips: what sounds, so that one kind of question has a given answer and nothing else gives it away.

The length of a clip is drawn first, and what sounds is placed in it by chance, so that neither tells the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lens_tasks.scenes.sounds.waves import KINDS, Event, Samples

Draw = np.random.Generator

SHORTEST, LONGEST = 1.4, 2.0
"""Seconds of a clip."""
_LOW, _HIGH = 300.0, 2400.0
_GAP = 0.1
_EDGE = 0.04


@dataclass(frozen=True)
class Clip:
    """A clip with the questions that it answers.

    Attributes:
        family: the script.
        events: what sounds, in order.
        duration: seconds.
        answers: question -> key of the answer, see `questions.QUESTIONS`.
        language: of what is spoken; None where nothing is.
    """

    family: str
    events: tuple[Event, ...]
    duration: float
    answers: dict[str, str]
    language: str | None = None


def pitch(rng: Draw, plan: str) -> Clip:
    """Two tones; the second is `higher` or `lower` by a third of an octave to one and a half, or `equal`."""
    octaves = {"higher": 1.0, "lower": -1.0, "equal": 0.0}[plan] * rng.uniform(0.35, 1.5)
    first = _pitch_with_room(rng, octaves)
    tones = [Event("tone", 0, rng.uniform(0.2, 0.45), pitch=each) for each in (first, first * 2**octaves)]
    return _clip(rng, "pitch", tones, {"pitch": plan})


def count(rng: Draw, plan: str) -> Clip:
    """One to four equal beeps."""
    tone = Event("tone", 0, rng.uniform(0.09, 0.16), pitch=_pitch(rng))
    return _clip(rng, "count", [tone] * int(plan), {"count": plan})


def order(rng: Draw, plan: tuple[str, str]) -> Clip:
    """Three kinds of sounds, of which the first and the last are given."""
    between = [kind for kind in KINDS if kind not in plan]
    kinds = (plan[0], between[int(rng.integers(len(between)))], plan[1])
    return _clip(rng, "order", [_of_kind(rng, kind) for kind in kinds], {"first": plan[0], "last": plan[1]})


def duration(rng: Draw, plan: str) -> Clip:
    """Two tones or two noises; the second is `longer` or `shorter` by a factor of 1.8 to 3, or `equal`."""
    short = rng.uniform(0.15, 0.25)
    long = short * rng.uniform(1.8, 3.0)
    if plan == "equal":
        short = long = rng.uniform(0.15, 0.45)
    lengths = (long, short) if plan == "shorter" else (short, long)
    kind, pitch_of_both = ("tone", "noise")[int(rng.integers(2))], _pitch(rng)
    sounds = [Event(kind, 0, each, pitch=pitch_of_both, seed=_seed(rng)) for each in lengths]
    return _clip(rng, "duration", sounds, {"duration": plan})


def sweep(rng: Draw, plan: str) -> Clip:
    """One tone whose pitch `rises` or `falls` by half an octave to two, or `stays`."""
    octaves = {"rises": 1.0, "falls": -1.0, "stays": 0.0}[plan] * rng.uniform(0.5, 2.0)
    start = _pitch_with_room(rng, octaves)
    kind = "tone" if plan == "stays" else "sweep"
    event = Event(kind, 0, rng.uniform(0.4, 1.0), pitch=start, pitch_end=start * 2**octaves)
    return _clip(rng, "sweep", [event], {"sweep": plan})


def digit(rng: Draw, plan: str, recording: Samples, language: str) -> Clip:
    """A recording of a spoken digit."""
    event = Event("speech", 0, len(recording) / 16_000, recording=recording)
    return _clip(rng, "digit", [event], {"digit": plan}, language)


SCRIPTS: Final[dict[str, Callable[[Draw, str], Clip]]] = {
    "pitch": pitch,
    "count": count,
    "duration": duration,
    "sweep": sweep,
}
"""Scripts whose plan is the answer to their one question; `order` and `digit` take more."""
ORDERS: Final = tuple((first, last) for first in KINDS for last in KINDS if first != last)


def _clip(
    rng: Draw, family: str, sounds: Sequence[Event], answers: dict[str, str], language: str | None = None
) -> Clip:
    """Place sounds one after another in a clip of chance length; silences are at least `_GAP` long."""
    length = rng.uniform(SHORTEST, LONGEST)
    gain = rng.uniform(0.1, 0.4)
    used = sum(each.duration for each in sounds) + _GAP * (len(sounds) - 1) + 2 * _EDGE
    spare = rng.dirichlet(np.ones(len(sounds) + 1)) * (length - used)
    start, placed = _EDGE + spare[0], []
    for each, more in zip(sounds, spare[1:], strict=True):
        placed.append(_changed(each, start, gain * rng.uniform(0.8, 1.25)))
        start += each.duration + _GAP + more
    return Clip(family, tuple(placed), length, answers, language)


def _changed(event: Event, start: float, gain: float) -> Event:
    return Event(event.kind, start, event.duration, event.pitch, event.pitch_end, gain, event.seed, event.recording)


def _of_kind(rng: Draw, kind: str) -> Event:
    if kind == "click":
        return Event(kind, 0, 0.02, seed=_seed(rng))
    octaves = rng.uniform(0.7, 1.5) * (1 if rng.integers(2) else -1)
    start = _pitch_with_room(rng, octaves)
    return Event(kind, 0, rng.uniform(0.2, 0.4), pitch=start, pitch_end=start * 2**octaves, seed=_seed(rng))


def _pitch(rng: Draw) -> float:
    return _pitch_with_room(rng, 0.0)


def _pitch_with_room(rng: Draw, octaves: float) -> float:
    """A pitch, evenly on the scale of octaves, from which that many octaves up or down stay within the bounds."""
    low, high = np.log2(_LOW) - min(octaves, 0.0), np.log2(_HIGH) - max(octaves, 0.0)
    return float(2 ** rng.uniform(low, high))


def _seed(rng: Draw) -> int:
    return int(rng.integers(2**31))
