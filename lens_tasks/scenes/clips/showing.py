"""Counting over time: two to four objects are shown one after the other, each alone on the floor for two frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lens_tasks.scenes.clips.clip import FRAMES, Actor, Asked, Clip, across, pick, things, tone_of
from lens_tasks.scenes.clips.questions import QUESTIONS
from lens_tasks.scenes.world import Solid


@dataclass(frozen=True)
class Plan:
    """How many objects are shown, and how many of them are spheres."""

    count: int
    spheres: int


_SHARES: Final = {(2, 1): 6, (2, 2): 6, (3, 1): 4, (3, 2): 3, (3, 3): 5, (4, 1): 2, (4, 2): 3, (4, 3): 7}
"""Both numbers come equally often; there are never more spheres than objects."""
PLANS: Final = tuple(Plan(*numbers) for numbers, share in _SHARES.items() for _ in range(share))
_SLOTS: Final = (1, 4, 9, 12)
"""Frames at which an object is put down. Between objects, in the middle and at the end the floor is empty."""


def script(rng: np.random.Generator, plan: Plan) -> Clip:
    """The objects in chance order, in as many of the four slots."""
    solids = things(rng, plan.count, "large")
    spheres = {int(number) for number in rng.permutation(plan.count)[: plan.spheres]}
    slots = sorted(int(number) for number in rng.permutation(len(_SLOTS))[: plan.count])
    actors = []
    for number, (solid, slot) in enumerate(zip(solids, slots, strict=True)):
        shape = "sphere" if number in spheres else ("cube", "cylinder")[int(rng.integers(2))]
        placed = replace(solid, shape=shape, x=across(pick(rng, 20.0, 44.0)), y=pick(rng, -0.2, 0.6))
        states: list[Solid | None] = [None] * FRAMES
        states[_SLOTS[slot] : _SLOTS[slot] + 2] = [placed, placed]
        actors.append(Actor(tuple(states)))
    return Clip("showing", tuple(actors), tone_of(rng), _asked(rng, plan, actors))


def _asked(rng: np.random.Generator, plan: Plan, actors: list[Actor]) -> tuple[Asked, ...]:
    everything = tuple(range(plan.count))

    def counted(question: str, number: int, about: tuple[int, ...]) -> Asked:
        one, two = (text for text in QUESTIONS[question].options if text != str(number))
        return Asked(question, str(number), (one, two), about)

    balls = tuple(number for number in everything if actors[number].solid.shape == "sphere")
    asked = [counted("shown", plan.count, everything), counted("spheres_shown", plan.spheres, balls)]
    if plan.count > 2:
        one, two = (1 + int(number) for number in rng.permutation(plan.count - 1)[:2])
        asked.append(Asked("shown_first", actors[0].name, (actors[one].name, actors[two].name), (0,), (one, two)))
    return tuple(asked)
