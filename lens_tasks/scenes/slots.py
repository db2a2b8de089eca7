"""Fill a plan of wanted questions: so many of each family and answer, spread evenly over the pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from lens_tasks.scenes.ask import draw_question
from lens_tasks.scenes.english import question_text
from lens_tasks.scenes.questions import Question
from lens_tasks.scenes.world import ATTRIBUTES, Scene

COUNTS: Final = ("0", "1", "2", "3", "4", "5")
"""Counts that the plans ask for equally often; larger ones are rare in pictures of at most eight solids."""

YES_NO: Final = ("yes", "no")

_TRIES: Final = 400


@dataclass(frozen=True)
class Slot:
    """A wanted question: its name in the benchmark, CLEVR family, queried attribute (or empty) and answer."""

    label: str
    family: str
    detail: str
    answer: str


@dataclass(frozen=True)
class Filled:
    """A slot with the number of the scene it is asked about and the question."""

    scene: int
    slot: Slot
    question: Question


def answers_of(family: str, detail: str) -> tuple[str, ...]:
    """The answers that a plan balances within a family (and queried attribute)."""
    if family == "count":
        return COUNTS
    return ATTRIBUTES[detail] if family == "query_attribute" else YES_NO


Draw = Callable[[np.random.Generator, Scene, Slot], Question | None]
"""Draws a question about a scene that fills a slot; None after many tries."""


def by_hops(hops: tuple[float, ...], wanted: Callable[[Question], bool] = lambda _: True) -> Draw:
    """Draws of CLEVR's families: ``hops`` are the shares of questions with 0, 1, ... anchors, ``wanted`` filters."""

    def draw(rng: np.random.Generator, scene: Scene, slot: Slot) -> Question | None:
        for attempt in range(_TRIES):
            # Rare answers are found among questions without anchors if at all.
            anchors = int(rng.choice(len(hops), p=hops)) if attempt < _TRIES // 2 else 0
            drawn = draw_question(rng, scene, slot.family, anchors)
            if drawn is None or drawn[1] != slot.answer or not wanted(drawn[0]):
                continue
            if slot.detail in ("", drawn[0].detail):
                return drawn[0]
        return None

    return draw


def fill(rng: np.random.Generator, scenes: list[Scene], slots: list[Slot], draw: Draw) -> list[Filled]:
    """A question for every slot, sorted by scene; none is asked twice of one scene.

    Raises RuntimeError when no scene has a question for a slot.
    """
    asked: set[tuple[int, str]] = set()
    filled: list[Filled] = []
    for number, slot in enumerate(slots):
        for step in range(len(scenes)):
            index = (number + step) % len(scenes)
            question = draw(rng, scenes[index], slot)
            if question is not None and (index, question_text(question)) not in asked:
                asked.add((index, question_text(question)))
                filled.append(Filled(index, slot, question))
                break
        else:
            raise RuntimeError(f"no scene has a {slot.label} question with the answer {slot.answer}")
    return sorted(filled, key=lambda item: item.scene)
