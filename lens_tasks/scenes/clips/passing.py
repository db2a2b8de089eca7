"""A small object comes into the picture and meets a large one: it passes behind it, in front of it, or turns back.

What goes behind comes out again, or stays there, or another object comes out in its place. All of this happens before
or after the middle of the video; in the middle and at the end only the large object is seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np

from lens_tasks.scenes.clips.clip import FRAMES, Actor, Asked, Clip, across, name_of, pick, things, tone_of
from lens_tasks.scenes.clips.questions import QUESTIONS
from lens_tasks.scenes.world import Solid

SAME, ANOTHER, NONE, FRONT, BACK = range(5)


@dataclass(frozen=True)
class Plan:
    """What happens, from which side (1: from the left), and at which frame it begins."""

    outcome: int
    way: int
    begin: int


PLANS: Final = tuple(
    Plan(outcome, way, begin) for begin, way, outcome in product((1, 9), (1, -1), (SAME, ANOTHER, NONE, FRONT, BACK))
)
_BEHIND: Final = -0.24
_BEFORE: Final = 0.48
_AWAY, _CLOSE = 26.0, 16.8
"""Pixels from the large object's middle at which the small one is seen before and after."""


def script(rng: np.random.Generator, plan: Plan) -> Clip:
    """Six frames for the way; the large object is a cube or a cylinder."""
    y, middle = pick(rng, 0.0, 0.2), pick(rng, 31.5, 32.5)
    (large,) = things(rng, 1, "large")
    large = replace(large, shape=("cube", "cylinder")[int(rng.integers(2))], x=across(middle), y=y)
    small, *absent = things(rng, 3, but=[large.color])
    lane = y + (_BEFORE if plan.outcome == FRONT or (plan.outcome == BACK and rng.integers(2)) else _BEHIND)

    def along(solid: Solid, path: list[float | None]) -> Actor:
        """The object in all frames; None: not in the picture."""
        return Actor(
            tuple(None if at is None else replace(solid, x=across(middle + plan.way * at), y=lane) for at in path)
        )

    before: list[float | None] = [None] * plan.begin
    after = FRAMES - plan.begin
    out: list[float | None] = [_CLOSE, _AWAY, *([None] * (after - 6))]
    ways: dict[int, list[float | None]] = {
        SAME: [*before, -_AWAY, -_CLOSE, 0.0, 0.0, *out],
        ANOTHER: [*before, -_AWAY, -_CLOSE, *([0.0] * (after - 2))],
        NONE: [*before, -_AWAY, -_CLOSE, *([0.0] * (after - 2))],
        FRONT: [*before, -_AWAY, -_CLOSE, -6.0, 6.0, *out],
        BACK: [*before, -_AWAY, -_CLOSE - 4.6, -_CLOSE, -_CLOSE, -_CLOSE - 4.6, -_AWAY, *([None] * (after - 6))],
    }
    actors = [along(small, ways[plan.outcome]), Actor((large,) * FRAMES, occluder=True)]
    if plan.outcome == ANOTHER:
        actors.append(along(absent[0], [*([0.0] * (plan.begin + 4)), *out]))
    return Clip("passing", tuple(actors), tone_of(rng), _asked(plan, small, absent))


def _asked(plan: Plan, small: Solid, absent: list[Solid]) -> tuple[Asked, ...]:
    def fixed(question: str, right: int, about: tuple[int, ...] = (0,)) -> Asked:
        options = QUESTIONS[question].options
        one, two = (text for number, text in enumerate(options) if number != right)
        return Asked(question, options[right], (one, two), about, (1,))

    asked = []
    if plan.outcome in (SAME, ANOTHER, NONE):
        asked.append(fixed("came_out", plan.outcome, (0, 2) if plan.outcome == ANOTHER else (0,)))
    if plan.outcome in (SAME, FRONT, BACK):
        asked.append(fixed("way", (SAME, FRONT, BACK).index(plan.outcome)))
    if plan.outcome != ANOTHER:
        names = name_of(absent[0]), name_of(absent[1])
        asked.append(Asked("came_in", name_of(small), names, (0,), (1,)))
    return tuple(asked)
