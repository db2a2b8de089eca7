"""What a viewer knows after each pair of frames: targets of the auxiliary loss on the language model.

A question about a video is answered from the whole of it. Said after each pair of frames, the answer so far is a
target for every step of the way: the place of the hidden object now, how many objects were shown up to here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from lens_tasks.scenes.clips.clip import FRAMES, Clip
from lens_tasks.scenes.clips.questions import QUESTIONS
from lens_tasks.scenes.geometry import place
from lens_tasks.scenes.world import COLOURS, Solid

STEPS: Final = FRAMES // 2
NOT_YET: Final = -100
"""No target: the answer is not known yet, or not asked of this video."""
_COUNTS: Final = {"shown": 5, "spheres_shown": 4}
"""Questions whose answers so far are counts from 0."""
CLASSES: Final = {
    name: _COUNTS.get(name, len(question.options) or len(COLOURS)) for name, question in QUESTIONS.items()
}
"""How many answers a question has. Objects are told by their colours, which differ within a video."""


def progress(clip: Clip) -> npt.NDArray[np.int64]:
    """Int [8, 19]: for each pair of frames and question the number of the answer so far, or NOT_YET."""
    result = np.full((STEPS, len(QUESTIONS)), NOT_YET)
    asked = {each.question: each for each in clip.asked}
    so_far = _FAMILIES[clip.family](clip)
    for column, (name, question) in enumerate(QUESTIONS.items()):
        if name not in asked:
            continue
        answer = asked[name].answer
        if name in _COUNTS:
            final = int(answer)
        elif question.options:
            final = question.options.index(answer)
        else:
            final = COLOURS.index(answer.split()[0])
        known = so_far.get(name, [None] * FRAMES)
        for step in range(STEPS):
            value = known[2 * step + 1]
            result[step, column] = NOT_YET if value is None else final if value == _FINAL else value
        result[-1, column] = final
    return result


_FINAL: Final = -1
"""Stands for the answer itself where it can be known from this frame on."""
_SoFar = dict[str, "list[int | None]"]


def _from(frame: int) -> list[int | None]:
    """The answer, from a frame on."""
    return [None if number < frame else _FINAL for number in range(FRAMES)]


def _moves(states: tuple[Solid | None, ...]) -> list[int]:
    """Frames in which an object stands elsewhere than in the one before, or comes or goes."""
    return [number for number in range(1, FRAMES) if states[number] != states[number - 1]]


def _cups(clip: Clip) -> _SoFar:
    hidden, *cups = (actor.states for actor in clip.actors)
    rest = {round(place(cup[0]).foot, 3) for cup in cups if cup[0] is not None}
    places = sorted(place(cup[0]).x for cup in cups if cup[0] is not None)
    now: list[int | None] = []
    for number in range(FRAMES):
        frame = [cup[number] for cup in cups]
        still = all(solid is not None and round(place(solid).foot, 3) in rest for solid in frame)
        solid = hidden[number]
        here = None if solid is None else int(np.argmin([abs(place(solid).x - x) for x in places]))
        now.append(here if still else None)
    first = min(moved for cup in cups for moved in _moves(cup) if moved > 2)
    return {"cups_end": now, "cups_start": _from(0), "cups_object": _from(0), "cups_swapped_first": _from(first + 2)}


def _hiding(clip: Clip) -> _SoFar:
    shares = clip.seen()[0]
    states = clip.actors[0].states
    left, right = (place(actor.solid).x for actor in clip.actors[1:])
    now: list[int | None] = []
    for solid, share in zip(states, shares, strict=True):
        if solid is None:
            now.append(2)
        elif share > 0.0:
            now.append(None)
        else:
            now.append(0 if abs(place(solid).x - left) < abs(place(solid).x - right) else 1)
    seen = [number for number, share in enumerate(shares) if share > 0.0]
    return {"hiding_end": now, "hiding_first": _from(seen[0] + 2), "hiding_object": _from(seen[0])}


def _moving(clip: Clip) -> _SoFar:
    last: list[int | None] = [None] * FRAMES
    begins = sorted((min(_moves(a.states)), COLOURS.index(a.solid.color)) for a in clip.actors if _moves(a.states))
    for begin, colour in begins:
        last[begin:] = [colour] * (FRAMES - begin)
    return {"moved_first": _from(begins[0][0]), "moved_last": last, "leftmost": _from(0), "not_moved": _from(FRAMES)}


def _meeting(clip: Clip) -> _SoFar:
    moved = max((number for actor in clip.actors for number in _moves(actor.states)), default=6)
    return {"meeting": _from(moved), "movers": _from(moved)}


def _showing(clip: Clip) -> _SoFar:
    begins = [
        (next(number for number, state in enumerate(actor.states) if state is not None), actor.solid.shape)
        for actor in clip.actors
    ]
    shown: list[int | None] = [sum(begin <= number for begin, _ in begins) for number in range(FRAMES)]
    balls: list[int | None] = [
        sum(begin <= number and shape == "sphere" for begin, shape in begins) for number in range(FRAMES)
    ]
    return {"shown": shown, "spheres_shown": balls, "shown_first": _from(min(begin for begin, _ in begins))}


def _passing(clip: Clip) -> _SoFar:
    begin = next(number for number, state in enumerate(clip.actors[0].states) if state is not None)
    return {"came_in": _from(begin), "came_out": _from(begin + 5), "way": _from(begin + 5)}


_FAMILIES: Final[dict[str, Callable[[Clip], _SoFar]]] = {
    "cups": _cups,
    "hiding": _hiding,
    "moving": _moving,
    "meeting": _meeting,
    "showing": _showing,
    "passing": _passing,
}
