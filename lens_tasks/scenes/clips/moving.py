"""Order of events: of four objects three move away and back, one after the other; the fourth stands still."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations
from typing import Final

import numpy as np

from lens_tasks.scenes.clips.clip import FRAMES, Actor, Asked, Clip, across, name_of, pick, things, tone_of
from lens_tasks.scenes.world import Solid


@dataclass(frozen=True)
class Plan:
    """Which of the objects, numbered from left to right, moves first, second and third; the other one stands still."""

    order: tuple[int, int, int]


PLANS: Final = tuple(Plan((one, two, three)) for one, two, three in permutations(range(4), 3))
_SLOTS: Final = (1, 4, 9, 12)
"""Frames at which a move can begin. It takes two; between moves, in the middle and at the end all are at rest."""
_UP: Final = (5.0, 9.5)
_FORWARD: Final = (0.25, 0.5)


def script(rng: np.random.Generator, plan: Plan) -> Clip:
    """An object jumps up or slides towards the viewer, and is back in the third frame."""
    solids = things(rng, 4)
    solids = [
        replace(solid, x=across(pick(rng, low, low + 4.0)), y=pick(rng, -0.6, 0.3))
        for solid, low in zip(solids, (6.0, 21.5, 37.5, 53.5), strict=True)
    ]
    dropped = int(rng.integers(len(_SLOTS)))
    slots = [slot for number, slot in enumerate(_SLOTS) if number != dropped]
    states: list[list[Solid | None]] = [[solid] * FRAMES for solid in solids]
    for slot, number in zip(slots, plan.order, strict=True):
        jumps = bool(rng.integers(2))
        for part in range(2):
            solid = solids[number]
            moved = replace(solid, lift=_UP[part]) if jumps else replace(solid, y=solid.y + _FORWARD[part])
            states[number][slot + part] = moved
    actors = tuple(Actor(tuple(row)) for row in states)
    return Clip("moving", actors, tone_of(rng), _asked(rng, plan, [name_of(solid) for solid in solids]))


def _asked(rng: np.random.Generator, plan: Plan, names: list[str]) -> tuple[Asked, ...]:
    first, second, third = plan.order
    still = 6 - sum(plan.order)
    # two of the three movers beside the one at rest, two of the three others beside the leftmost: chance decides which
    without, left_out = int(rng.integers(3)), 1 + int(rng.integers(3))
    movers = [number for place, number in enumerate(plan.order) if place != without]
    others = [number for number in range(1, 4) if number != left_out]

    def named(question: str, right: int, wrong: list[int]) -> Asked:
        return Asked(question, names[right], (names[wrong[0]], names[wrong[1]]), (right,), tuple(wrong))

    return (
        named("moved_first", first, [second, third]),
        named("moved_last", third, [first, second]),
        named("not_moved", still, movers),
        named("leftmost", 0, others),
    )
