"""perception_mini: questions about videos in the fields of Perception Test's multiple choice, balanced by design."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any, Final

import numpy as np

from lens_tasks.scenes.clips import cups, hiding, meeting, moving, passing, showing
from lens_tasks.scenes.clips.annotations import track_rows, with_roles
from lens_tasks.scenes.clips.clip import Asked, Clip, render_clip, unclear
from lens_tasks.scenes.clips.encode import encode_mp4
from lens_tasks.scenes.clips.questions import QUESTIONS
from lens_tasks.scenes.pictures import SEEDS, Row

FAMILIES: Final[dict[str, tuple[ModuleType, int]]] = {
    "cups": (cups, 36),
    "hiding": (hiding, 36),
    "moving": (moving, 24),
    "meeting": (meeting, 32),
    "showing": (showing, 36),
    "passing": (passing, 40),
}
"""Each family's script, and how many of the benchmark's videos are of it: a multiple of the number of its plans."""

_SEED: Final = 2305
_TRIES: Final = 100


def clip_of(family: str, plan: object, seed: int) -> Clip:
    """The video of a plan and a seed: the first draw in which everything can be seen.

    Raises RuntimeError where none of many is.
    """
    script: Callable[[np.random.Generator, object], Clip] = FAMILIES[family][0].script
    found = None
    for attempt in range(_TRIES):
        clip = script(np.random.default_rng((seed, attempt)), plan)
        found = unclear(clip)
        if found is None:
            return clip
    raise RuntimeError(f"{family}, {plan}, seed {seed}: no clear video in {_TRIES} draws; the last: {found}")


def benchmark_clips() -> list[Clip]:
    """The benchmark's videos; each family's plans come equally often."""
    seeds = iter(SEEDS["perception_mini"])
    return [
        clip_of(family, module.PLANS[number % len(module.PLANS)], next(seeds))
        for family, (module, count) in FAMILIES.items()
        for number in range(count)
    ]


def perception_rows(clips: Sequence[Clip]) -> list[Row]:
    """The questions about these videos, with answers and places of the right option equally often."""
    rng = np.random.default_rng(_SEED)
    asked: dict[str, list[tuple[int, Asked]]] = defaultdict(list)
    for number, clip in enumerate(clips):
        for each in clip.asked:
            asked[each.question].append((number, each))
    layouts: dict[tuple[int, str], tuple[list[str], int]] = {}
    for question in QUESTIONS:
        for place, (number, each) in enumerate(_balanced(rng, asked[question])):
            layouts[number, question] = _layout(rng, each, place % 3)
    tracks = [track_rows(clip) for clip in clips]
    return [
        _row(number, each, layouts[number, each.question], with_roles(tracks[number], each))
        for number, clip in enumerate(clips)
        for each in clip.asked
        if (number, each.question) in layouts
    ]


def video_rows(clips: Iterable[Clip]) -> list[Row]:
    """The videos, by the name that the questions give."""
    return [{"video_name": _name(number), "video": encode_mp4(render_clip(clip))} for number, clip in enumerate(clips)]


def _balanced(rng: np.random.Generator, asked: list[tuple[int, Asked]]) -> list[tuple[int, Asked]]:
    """In chance order; where the options are fixed, answer by answer, and of each as many as of the rarest."""
    order = [asked[int(place)] for place in rng.permutation(len(asked))]
    groups = [
        [entry for entry in order if entry[1].answer == option] for option in QUESTIONS[asked[0][1].question].options
    ]
    fewest = min(map(len, groups), default=0)
    return [entry for group in groups for entry in group[:fewest]] if groups else order


def _layout(rng: np.random.Generator, asked: Asked, place: int) -> tuple[list[str], int]:
    """The three options with the right one at a place."""
    options = list(asked.others if rng.integers(2) else asked.others[::-1])
    options.insert(place, asked.answer)
    return options, place


def _name(number: int) -> str:
    return f"video_{number:04d}"


def _row(number: int, asked: Asked, layout: tuple[list[str], int], tracks: list[dict[str, Any]]) -> Row:
    question = QUESTIONS[asked.question]
    return {
        "video_name": _name(number),
        "question": question.text,
        "question_id": question.id,
        "options": layout[0],
        "answer_id": str(layout[1]),
        "area": question.area,
        "reasoning": question.reasoning,
        "tag": list(question.tag),
        "tracks": tracks,
    }
