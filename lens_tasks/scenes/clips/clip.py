"""What a video is: for each of its objects where it stands in each frame, and what is asked about it.

Every frame is an ordinary scene. Nothing is simulated: a script says where everything is, and the answers come from
the script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lens_tasks.scenes.geometry import SIDE, place
from lens_tasks.scenes.render import Pixels, render, visible_fractions
from lens_tasks.scenes.world import COLOURS, MATERIALS, SHAPES, Scene, Solid

FRAMES: Final = 16
STEP: Final = 500_000
"""Microseconds from one frame to the next."""
MIDDLE: Final = FRAMES // 2
"""The frame that a model sees which is shown one from the middle."""

LEAST_MOVE: Final = 4.0
"""Pixels: from one frame to the next an object stands still or moves at least so far."""
LEAST_SEEN: Final = 0.3
"""Of its silhouette: an object is hidden altogether, or at least so much of it is seen."""
CLEARLY_SEEN: Final = 0.85
"""Share of its silhouette from which on an object counts as clearly seen."""

States = tuple["Solid | None", ...]
"""One object in each frame; None where it is not in the picture."""


@dataclass(frozen=True)
class Actor:
    """One object of a video. ``occluder`` is true of what others can be hidden by."""

    states: States
    occluder: bool = False

    @property
    def solid(self) -> Solid:
        """The object where it is first in the picture, or behind something in it."""
        return next(state for state in self.states if state is not None)

    @property
    def name(self) -> str:
        """Colour and shape, by which options name it."""
        return " ".join(self.solid.kind)


@dataclass(frozen=True)
class Asked:
    """A question about a video.

    Attributes:
        question: a name in `questions.QUESTIONS`.
        answer: text of the right option.
        others: texts of the two wrong ones.
        about: numbers of the actors that it is about.
        anchors: numbers of those that the options or the question only name.
    """

    question: str
    answer: str
    others: tuple[str, str]
    about: tuple[int, ...]
    anchors: tuple[int, ...] = ()


@dataclass(frozen=True)
class Clip:
    """Ground truth of one video. ``tone`` is the brightness of the floor, as in `Scene`."""

    family: str
    actors: tuple[Actor, ...]
    tone: float
    asked: tuple[Asked, ...]

    def frame(self, number: int) -> tuple[Scene, tuple[int, ...]]:
        """One frame as a scene, and the number of the actor that each of its solids is."""
        there = [(actor.states[number], index) for index, actor in enumerate(self.actors)]
        present = [(state, index) for state, index in there if state is not None]
        return Scene(tuple(state for state, _ in present), self.tone), tuple(index for _, index in present)

    def seen(self) -> tuple[tuple[float, ...], ...]:
        """For each actor the share of its silhouette that is seen in each frame; 0 where it is not in the picture."""
        shares = [[0.0] * FRAMES for _ in self.actors]
        for number in range(FRAMES):
            scene, indices = self.frame(number)
            for index, share in zip(indices, visible_fractions(scene), strict=True):
                shares[index][number] = share
        return tuple(tuple(row) for row in shares)


def render_clip(clip: Clip) -> Pixels:
    """The frames of a video, uint8 [16, 64, 64, 3]. What is hidden altogether has no shadow to give it away."""
    drawn: dict[Scene, Pixels] = {}
    frames = []
    for number in range(FRAMES):
        whole = clip.frame(number)[0]
        seen = zip(whole.solids, visible_fractions(whole), strict=True)
        scene = Scene(tuple(solid for solid, share in seen if share > 0.0), clip.tone)
        if scene not in drawn:
            drawn[scene] = render(scene)
        frames.append(drawn[scene])
    return np.stack(frames)


def unclear(clip: Clip) -> str | None:
    """Why a person could not see what happens in a video; None where everything can be seen.

    Four rules: an object is wholly in the picture or not at all; it stands still or moves by LEAST_MOVE at least; it
    is hidden altogether or LEAST_SEEN of it is seen; what is asked about is clearly seen in two frames at least.
    """
    shares = clip.seen()
    for index, actor in enumerate(clip.actors):
        name = f"the {actor.name} ({index})"
        if not all(_wholly_in(state) for state in actor.states if state is not None):
            return f"{name} is cut off by the edge of the picture"
        steps = [_moved(one, two) for one, two in zip(actor.states[:-1], actor.states[1:], strict=True)]
        if any(0.0 < step < LEAST_MOVE for step in steps):
            return f"{name} moves by less than {LEAST_MOVE} pixels"
        if any(0.0 < share < LEAST_SEEN for share in shares[index]):
            return f"less than {LEAST_SEEN} of {name} is seen"
    about = {index for asked in clip.asked for index in asked.about}
    dim = [index for index in about if sum(share >= CLEARLY_SEEN for share in shares[index]) < 2]
    return f"{clip.actors[dim[0]].name} is not clearly seen in two frames" if dim else None


def _wholly_in(solid: Solid) -> bool:
    spot = place(solid)
    return (
        spot.x - spot.half_width >= 0.0
        and spot.x + spot.half_width <= SIDE
        and spot.base - spot.height >= 0.0
        and spot.foot <= SIDE
    )


def _moved(one: Solid | None, two: Solid | None) -> float:
    """Pixels between two places of an object, the larger of both directions; 0 where it comes or goes."""
    if one is None or two is None:
        return 0.0
    first, second = place(one), place(two)
    return max(abs(first.x - second.x), abs(first.base - second.base))


def across(pixels: float) -> float:
    """Ground coordinate ``x`` of a place in the picture."""
    return (pixels - 32.0) / 30.0


def pick(rng: np.random.Generator, low: float, high: float, steps: int = 64) -> float:
    """A number between two others, on a grid."""
    return low + (high - low) * float(rng.integers(steps + 1)) / steps


def tone_of(rng: np.random.Generator) -> float:
    """The brightness of the floor, in the range of the still scenes."""
    return 0.9 + float(rng.integers(0, 33)) / 160.0


def things(rng: np.random.Generator, count: int, size: str = "small", but: Sequence[str] = ()) -> list[Solid]:
    """So many objects of different colours, none of them one of ``but``, at no particular place."""
    colours = [colour for colour in COLOURS if colour not in but]
    chosen = [colours[int(place)] for place in rng.permutation(len(colours))[:count]]
    return [
        Solid(size, colour, MATERIALS[int(rng.integers(2))], SHAPES[int(rng.integers(3))], 0.0, 0.0)
        for colour in chosen
    ]


def name_of(solid: Solid) -> str:
    """Colour and shape."""
    return " ".join(solid.kind)
