"""The cups game: an object is put under one of three equal cups, and pairs of cups change places three times.

All three pairs change places once each, in one of six orders. From each start the object then ends under each cup
for two of the six orders, so that neither the start nor the frames without their order say where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import Final

import numpy as np

from lens_tasks.scenes.clips.clip import FRAMES, Actor, Asked, Clip, across, name_of, pick, things, tone_of
from lens_tasks.scenes.clips.questions import QUESTIONS
from lens_tasks.scenes.world import Solid

PAIRS: Final = ((0, 1), (1, 2), (0, 2))


@dataclass(frozen=True)
class Plan:
    """Place of the object at the start (0 left, 1 middle, 2 right), and the order of the pairs that change places."""

    start: int
    swaps: tuple[tuple[int, int], ...]


PLANS: Final = tuple(Plan(start, swaps) for start, swaps in product(range(3), permutations(PAIRS)))
_LANE: Final = 0.4
"""How far a cup that changes places comes forward or goes back."""
_UNDER: Final = 0.06
"""The object stands a little behind the middle of its cup, so that the cup's round foot hides it."""
_RAISED: Final = 11.0


def script(rng: np.random.Generator, plan: Plan) -> Clip:
    """The object is shown for two frames, a swap takes three; the cups are at rest in the middle and at the end."""
    middle, gap, y = pick(rng, 31.0, 33.0), pick(rng, 17.0, 18.5), pick(rng, 0.0, 0.2)
    places = [middle - gap, middle, middle + gap]
    (looks,) = things(rng, 1, "large")
    cup = replace(looks, shape="cylinder")
    hidden, *absent = things(rng, 3, but=[cup.color])
    starts = (3 + int(rng.integers(2)), 9, 12)
    # path[cup][frame]: where each cup is; at[cup]: its place now, cups numbered by their place at the start
    path = [[(place, y)] * FRAMES for place in places]
    at = [0, 1, 2]
    for first, pair in zip(starts, plan.swaps, strict=True):
        one, two = (at.index(place) for place in pair)
        front = one if rng.integers(2) else two
        for cup_number, goal in ((one, at[two]), (two, at[one])):
            begin, end = places[at[cup_number]], places[goal]
            lane = y + (_LANE if cup_number == front else -_LANE)
            for part in (1, 2):
                path[cup_number][first + part - 1] = (begin + (end - begin) * part / 3.0, lane)
            path[cup_number][first + 2 :] = [(end, y)] * (FRAMES - first - 2)
        at[one], at[two] = at[two], at[one]
    actors = [Actor(_under(hidden, path[plan.start]))]
    for number in range(3):
        raised = [_RAISED if number == plan.start and frame < 2 else 0.0 for frame in range(FRAMES)]
        actors.append(Actor(_cup(cup, path[number], raised), occluder=True))
    return Clip("cups", tuple(actors), tone_of(rng), _asked(plan, at, hidden, absent))


def _under(solid: Solid, path: list[tuple[float, float]]) -> tuple[Solid, ...]:
    return tuple(replace(solid, x=across(x), y=y - _UNDER) for x, y in path)


def _cup(cup: Solid, path: list[tuple[float, float]], raised: list[float]) -> tuple[Solid, ...]:
    return tuple(replace(cup, x=across(x), y=y, lift=lift) for (x, y), lift in zip(path, raised, strict=True))


def _asked(plan: Plan, at: list[int], hidden: Solid, absent: list[Solid]) -> tuple[Asked, ...]:
    def fixed(question: str, right: int, about: tuple[int, ...], anchors: tuple[int, ...]) -> Asked:
        options = QUESTIONS[question].options
        one, two = (text for place, text in enumerate(options) if place != right)
        return Asked(question, options[right], (one, two), about, anchors)

    swapped = tuple(1 + place for place in plan.swaps[0])
    return (
        fixed("cups_end", at[plan.start], (0,), (1, 2, 3)),
        fixed("cups_swapped_first", PAIRS.index(plan.swaps[0]), swapped, ()),
        Asked("cups_object", name_of(hidden), (name_of(absent[0]), name_of(absent[1])), (0,), (1 + plan.start,)),
        fixed("cups_start", plan.start, (0,), (1 + plan.start,)),
    )
