"""Two objects meet: one hits the other, which moves on; or stops before it; or passes in front of it; or nothing moves.

Where the two are in the end is drawn first and in the same way for all four, and they are there from before the middle
on: neither the middle nor the last frame says what happened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np

from lens_tasks.scenes.clips.clip import FRAMES, Actor, Asked, Clip, across, pick, things, tone_of
from lens_tasks.scenes.clips.questions import QUESTIONS
from lens_tasks.scenes.geometry import place
from lens_tasks.scenes.world import Solid

HIT, STOP, PASS, NOTHING = 0, 1, 2, 3


@dataclass(frozen=True)
class Plan:
    """What happens, and whether the moving object goes to the right (1) or to the left (-1)."""

    outcome: int
    way: int


PLANS: Final = tuple(Plan(outcome, way) for way, outcome in product((1, -1), (HIT, STOP, PASS, NOTHING)))
_RUN: Final = 15.0
"""Pixels that the moving object covers before it hits or stops, in three frames."""
_AROUND: Final = (0.2, 0.4, 0.4, 0.4, 0.2, 0.0)
"""How far the object that passes comes forward, in six frames."""


def script(rng: np.random.Generator, plan: Plan) -> Clip:
    """Both objects stand in one row; a third one stands further back and never moves."""
    y, back = pick(rng, 0.05, 0.2), pick(rng, -0.85, -0.7)
    mover, target, third = (replace(solid, y=y) for solid in things(rng, 3))
    touch = place(mover).half_width + place(target).half_width
    middle, apart = pick(rng, 31.0, 33.0), touch + pick(rng, 8.5, 12.0)
    # seen in the direction of the movement: where the two are in the end
    near, far = -apart / 2.0, apart / 2.0
    run = [-_RUN, -_RUN * 2 / 3, -_RUN / 3] + [0.0] * (FRAMES - 3)
    mover_path, target_path = [near + step for step in run], [far] * FRAMES
    lane = [0.0] * FRAMES
    if plan.outcome == HIT:
        begin = near + touch
        target_path = [begin] * 4 + [(begin + far) / 2.0] + [far] * (FRAMES - 5)
    elif plan.outcome == PASS:
        begin = near - touch - 5.5
        mover_path = [begin + (far - begin) * min(frame, 6) / 6.0 for frame in range(FRAMES)]
        target_path = [near] * FRAMES
        lane[1 : 1 + len(_AROUND)] = _AROUND
    elif plan.outcome == NOTHING:
        mover_path = [near] * FRAMES
    third = replace(third, x=across(pick(rng, 12.0, 52.0)), y=back)
    actors = (
        Actor(_states(mover, middle, plan.way, mover_path, lane)),
        Actor(_states(target, middle, plan.way, target_path, [0.0] * FRAMES)),
        Actor((third,) * FRAMES),
    )
    return Clip("meeting", actors, tone_of(rng), _asked(plan))


def _states(solid: Solid, middle: float, way: int, path: list[float], lane: list[float]) -> tuple[Solid, ...]:
    return tuple(
        replace(solid, x=across(middle + way * step), y=solid.y + forward)
        for step, forward in zip(path, lane, strict=True)
    )


def _asked(plan: Plan) -> tuple[Asked, ...]:
    moved = {HIT: 2, STOP: 1, PASS: 1, NOTHING: 0}[plan.outcome]
    rest = [text for number, text in enumerate(QUESTIONS["movers"].options) if number != moved]
    asked = [Asked("movers", QUESTIONS["movers"].options[moved], (rest[0], rest[1]), (0, 1))]
    if plan.outcome != NOTHING:
        options = QUESTIONS["meeting"].options
        one, two = (text for number, text in enumerate(options) if number != plan.outcome)
        asked.append(Asked("meeting", options[plan.outcome], (one, two), (0, 1)))
    return tuple(asked)
