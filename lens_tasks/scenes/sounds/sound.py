"""sound_mini: questions about sounds, each in English and in Russian, with a letter and with a word for answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from lens_tasks.scenes.pictures import SEEDS, Row
from lens_tasks.scenes.sounds.encode import decode_flac, encode_flac
from lens_tasks.scenes.sounds.questions import LANGUAGES, LETTERS, QUESTIONS, Question
from lens_tasks.scenes.sounds.scripts import ORDERS, SCRIPTS, Clip, digit, order
from lens_tasks.scenes.sounds.waves import waveform

_SPOKEN: Final = Path(__file__).parent / "spoken"
"""Recordings made once by espeak-ng (`training.spoken`): LANGUAGE_DIGIT_VOICE_PITCH_SPEED.flac."""
_EACH: Final = 24
"""Clips of a script."""
_SEED: Final = 2606


def benchmark_clips() -> list[tuple[Clip, str]]:
    """The clips, each with the language in which it is asked about with letters; with words it is the other one."""
    seeds = iter(SEEDS["sound_mini"])
    return [
        *_scripted(seeds),
        *((order(_draw(seeds), ORDERS[number % 12]), LANGUAGES[number // 12 % 2]) for number in range(_EACH)),
        *_spoken(seeds),
    ]


def _draw(seeds: Iterator[int]) -> np.random.Generator:
    return np.random.default_rng(next(seeds))


def _scripted(seeds: Iterator[int]) -> Iterator[tuple[Clip, str]]:
    for name, script in SCRIPTS.items():
        keys = QUESTIONS[name].keys
        for number in range(_EACH):
            yield script(_draw(seeds), keys[number % len(keys)]), LANGUAGES[number // len(keys) % 2]


def _spoken(seeds: Iterator[int]) -> Iterator[tuple[Clip, str]]:
    for path in sorted(_SPOKEN.glob("*.flac")):
        language, name = path.stem.split("_")[:2]
        recording = (decode_flac(path.read_bytes()) / 32768).astype(np.float32)
        clip = digit(_draw(seeds), name, recording, language)
        yield clip, language if int(name) % 2 else LANGUAGES[1 - LANGUAGES.index(language)]


def sound_rows(clips: Sequence[tuple[Clip, str]]) -> list[Row]:
    """The questions about these clips; the answers and the places of the right option come equally often."""
    rng = np.random.default_rng(_SEED)
    seen: dict[tuple[str, str, str], int] = defaultdict(int)
    rows = []
    for number, (clip, by_letter) in enumerate(clips):
        for question, key in clip.answers.items():
            for language in LANGUAGES:
                asked, form = QUESTIONS[question], "letter" if language == by_letter else "word"
                options: list[str] = []
                answer = asked.answers[language][key]
                if form == "letter":
                    turn = seen[question, language, key]
                    seen[question, language, key] += 1
                    place = (turn + asked.keys.index(key) + 2 * LANGUAGES.index(language)) % min(4, len(asked.keys))
                    options, answer = _options(rng, asked, language, key, place), LETTERS[place]
                rows.append(_row(number, clip, question, language, options, answer))
    return [{"id": str(number), **row} for number, row in enumerate(rows)]


def _options(rng: np.random.Generator, asked: Question, language: str, key: str, place: int) -> list[str]:
    """Three or four words, the right one at its place, the others in chance order."""
    others = [word for other, word in asked.answers[language].items() if other != key]
    options = [others[int(each)] for each in rng.permutation(len(others))[:3]]
    options.insert(place, asked.answers[language][key])
    return options


def _row(number: int, clip: Clip, question: str, language: str, options: list[str], answer: str) -> dict[str, Any]:
    asked = QUESTIONS[question]
    return {
        "sound_name": _name(number),
        "question": asked.text[language],
        "options": options,
        "words": list(asked.answers[language].values()),
        "instruction": asked.instruction(language, by_letter=bool(options)),
        "answer": answer,
        "question_type": question,
        "language": language,
        "form": "letter" if options else "word",
        "spoken": clip.language,
    }


def _name(number: int) -> str:
    return f"sound_{number:04d}"


def clip_rows(clips: Sequence[tuple[Clip, str]]) -> list[Row]:
    """The clips, by the name that the questions give."""
    return [
        {"sound_name": _name(number), "sound": encode_flac(waveform(clip.events, clip.duration))}
        for number, (clip, _) in enumerate(clips)
    ]
