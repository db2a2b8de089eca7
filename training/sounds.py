"""Clips to train on, drawn from sound_mini's scripts with other seeds, and the questions about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lens_tasks.scenes.sounds.questions import DIGITS, LANGUAGES, LETTERS, QUESTIONS, prompt
from lens_tasks.scenes.sounds.scripts import ORDERS, SCRIPTS, Clip, digit, order
from lens_tasks.scenes.sounds.waves import RATE, Samples, waveform

FIRST_SEED = 10_000_000
"""Of training; the benchmark's are smaller."""
FAMILIES = ("pitch", "count", "order", "duration", "sweep", "digit")
_LED = 0.15
"""Share of questions after an empty line, as where `<audio>` stood on a line of its own."""
EVENTS = ("tone", "noise", "click", "sweep", "speech")


@dataclass(frozen=True)
class Asked:
    """A question in one wording: the prompt without the sound, the answer, and what is known of it.

    ``key`` is the right answer's place among `Question.keys`, ``options`` the places of what the options name.
    """

    question: str
    text: str
    answer: str
    key: int
    options: tuple[int, ...]


class Spoken:
    """Recordings of digits written by `training.spoken`."""

    def __init__(self, data: Path) -> None:
        with np.load(data / "spoken.npz") as file:
            self.sounds = np.split(file["sound"], file["ends"][:-1])
            self.digits, self.languages = file["digits"], file["languages"]
        self.places = {
            (language, each): np.flatnonzero((self.languages == language) & (self.digits == each))
            for language in LANGUAGES
            for each in DIGITS
        }

    def draw(self, rng: np.random.Generator, wanted: str) -> tuple[Samples, str]:
        """A recording of a digit, up to a tenth faster or slower (and higher or lower), and its language."""
        language = LANGUAGES[int(rng.integers(2))]
        sound = self.sounds[int(rng.choice(self.places[language, wanted]))]
        times = np.arange(0, len(sound) - 1, rng.uniform(0.9, 1.1))
        return np.interp(times, np.arange(len(sound)), sound).astype(np.float32), language


def draw_clip(rng: np.random.Generator, spoken: Spoken, family: str) -> Clip:
    """A clip of a family with a chance answer."""
    if family == "order":
        return order(rng, ORDERS[int(rng.integers(len(ORDERS)))])
    keys = QUESTIONS[family].keys
    plan = keys[int(rng.integers(len(keys)))]
    return digit(rng, plan, *spoken.draw(rng, plan)) if family == "digit" else SCRIPTS[family](rng, plan)


def draw_question(rng: np.random.Generator, clip: Clip, letters: float) -> Asked:
    """A question that the clip answers, in a chance language and form; ``letters`` is the share of letters."""
    question = str(rng.choice(list(clip.answers)))
    asked, language = QUESTIONS[question], LANGUAGES[int(rng.integers(2))]
    lead = "\n" if rng.random() < _LED else ""
    words, key = list(asked.answers[language].values()), asked.keys.index(clip.answers[question])
    if rng.random() >= letters:
        return Asked(question, lead + prompt(question, language, ()), words[key], key, ())
    others = rng.permutation([place for place in range(len(words)) if place != key])[:3]
    options = [int(place) for place in rng.permutation([key, *others])]
    text = lead + prompt(question, language, [words[place] for place in options])
    return Asked(question, text, LETTERS[options.index(key)], key, tuple(options))


def frame_labels(clip: Clip, frames: int, step: float) -> npt.NDArray[np.float32]:
    """What sounds in each stretch of ``step`` seconds, [frames, 8]: the kinds of `EVENTS`, whether a sound begins,
    and, of tones and sweeps, octaves above 300 Hz and how many of them it rises in the stretch times ten."""
    labels = np.zeros((frames, len(EVENTS) + 3), dtype=np.float32)
    for event in clip.events:
        first, last = int(event.start / step), min(frames - 1, int((event.start + event.duration) / step))
        labels[first : last + 1, EVENTS.index(event.kind)] = 1
        labels[min(first, frames - 1), len(EVENTS)] = 1
        if event.kind in ("tone", "sweep"):
            rise = np.log2(event.pitch_end / event.pitch) if event.kind == "sweep" else 0.0
            share = np.clip(((np.arange(first, last + 1) + 0.5) * step - event.start) / event.duration, 0, 1)
            labels[first : last + 1, -2] = np.log2(event.pitch / 300) + share * rise
            labels[first : last + 1, -1] = rise * step / event.duration * 10
    return labels


def clips(
    seed: int, first_step: int, size: int, spoken: Spoken, rank: int = 0
) -> Iterator[tuple[np.random.Generator, list[Clip]]]:
    """Endless batches, each family equally often; each step has a generator of its own, so that a run can go on."""
    step = first_step
    while True:
        rng = np.random.default_rng((FIRST_SEED, seed, step, rank))
        yield rng, [draw_clip(rng, spoken, FAMILIES[place % len(FAMILIES)]) for place in range(size)]
        step += 1


def samples(clip: Clip) -> Samples:
    """What a processor is given: float32 [n] between -1 and 1."""
    return waveform(clip.events, clip.duration).astype(np.float32) / 32768


__all__ = ["EVENTS", "FAMILIES", "RATE", "Asked", "Spoken", "clips", "draw_question", "frame_labels", "samples"]
