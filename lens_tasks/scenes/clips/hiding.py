"""Hide and seek: a small object goes round between two cylinders and the outside of the picture.

There are three ways between the three hiding places. All are taken, once each, so that it ends where it began; it
begins at any of them and goes round either way. What is seen of a way is the same in both directions but for its order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np

from lens_tasks.scenes.clips.clip import FRAMES, Actor, Asked, Clip, across, name_of, pick, things, tone_of
from lens_tasks.scenes.clips.questions import QUESTIONS
from lens_tasks.scenes.world import Solid

LEFT, RIGHT, OUTSIDE = 0, 1, 2


@dataclass(frozen=True)
class Plan:
    """Where the object is at the start and at the end, and where it goes first."""

    start: int
    first: int


PLANS: Final = tuple(Plan(start, first) for start, first in product(range(3), repeat=2) if start != first)
_SLOTS: Final = (1, 4, 9, 12)
"""Frames at which a way can begin. It takes two frames; between ways, in the middle and at the end nothing is seen."""


def script(rng: np.random.Generator, plan: Plan) -> Clip:
    """The three ways, in three of the four slots."""
    gap, y = pick(rng, 13.2, 13.8), pick(rng, -0.1, 0.3)
    behind = [32.0 - gap, 32.0 + gap]
    (looks,) = things(rng, 1, "large")
    post = replace(looks, shape="cylinder")
    small, *absent = things(rng, 3, but=[post.color])
    third = 3 - plan.start - plan.first
    places = (plan.start, plan.first, third, plan.start)
    dropped = int(rng.integers(len(_SLOTS)))
    states: list[Solid | None] = []
    slots = [slot for number, slot in enumerate(_SLOTS) if number != dropped]
    here = plan.start
    for frame in range(FRAMES):
        way = next((number for number, slot in enumerate(slots) if slot <= frame < slot + 2), None)
        x: float | None = None if here == OUTSIDE else behind[here]
        if way is not None:
            x = _seen_at(places[way], places[way + 1])[frame - slots[way]]
            here = places[way + 1]
        states.append(None if x is None else replace(small, x=across(x), y=y - 0.2))
    posts = [Actor((replace(post, x=across(x), y=y),) * FRAMES, occluder=True) for x in behind]
    return Clip("hiding", (Actor(tuple(states)), *posts), tone_of(rng), _asked(plan, small, absent))


def _seen_at(begin: int, end: int) -> tuple[float, float]:
    """Pixels across at which the object is seen on its way; the same two in both directions."""
    seen = {LEFT + RIGHT: (29.0, 35.0), LEFT + OUTSIDE: (8.9, 4.7), RIGHT + OUTSIDE: (55.1, 59.3)}[begin + end]
    return seen if begin < end else (seen[1], seen[0])


def _asked(plan: Plan, small: Solid, absent: list[Solid]) -> tuple[Asked, ...]:
    def fixed(question: str, right: int) -> Asked:
        options = QUESTIONS[question].options
        one, two = (text for place, text in enumerate(options) if place != right)
        return Asked(question, options[right], (one, two), (0,), (1, 2))

    return (
        fixed("hiding_end", plan.start),
        fixed("hiding_first", plan.first),
        Asked("hiding_object", name_of(small), (name_of(absent[0]), name_of(absent[1])), (0,), (1, 2)),
    )
