"""reasoning_mini: questions of two to five steps, each in English and Russian, with the steps that answer them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

import numpy as np

from lens_tasks.scenes import english, russian
from lens_tasks.scenes.ask import group_phrase, unique_phrase
from lens_tasks.scenes.boxes import boxes_cell, referents
from lens_tasks.scenes.execution import DegenerateQuestion
from lens_tasks.scenes.pictures import Row, image_cell, scenes_of
from lens_tasks.scenes.programs import answer, compile_question, objects_of
from lens_tasks.scenes.questions import COMPARISONS, Noun, Phrase, Question
from lens_tasks.scenes.slots import YES_NO, Filled, Slot, fill
from lens_tasks.scenes.steps import step_count, steps_cell
from lens_tasks.scenes.world import ATTRIBUTES, Scene

IMAGES: Final = 100
FEWEST_SOLIDS: Final = 5
STEPS: Final = (2, 3, 4, 5)
COUNTS: Final = ("0", "1", "2", "3", "4")
_SINGLE: Final = {"exist": 12, "count": 15, "query_attribute": 4}
_DOUBLE: Final = {"compare_integer": 2, "compare_attribute": 2}
PLAN: Final = {
    2: {"exist": 24, "count": 25, "query_attribute": 6},
    3: _SINGLE | _DOUBLE,
    4: _SINGLE | _DOUBLE,
    5: {"compare_integer": 6, "compare_attribute": 5},
}
"""Steps -> family -> number of questions; of comparisons for each kind of comparison (or attribute) and answer, of
queries for each attribute (of colours 8, one of each)."""

_WORDINGS: Final = {"en": english.question_text, "ru": russian.question_text}
_SEED: Final = 2207
_TRIES: Final = 200


def plan_slots() -> list[Slot]:
    """One slot for every question; its label is the number of steps."""
    slots = []
    for steps, families in PLAN.items():
        for family, count in families.items():
            slots += [Slot(str(steps), family, detail, wanted) for detail, wanted in _cells(family, count)]
    return slots


def _cells(family: str, count: int) -> list[tuple[str, str]]:
    """(detail, answer) of each question."""
    if family in ("exist", "count"):
        answers = YES_NO if family == "exist" else COUNTS
        return [("", answers[i % len(answers)]) for i in range(count)]
    if family == "query_attribute":
        return [
            (name, values[i % len(values)])
            for name, values in ATTRIBUTES.items()
            for i in range(len(values) if name == "color" else count)
        ]
    details = COMPARISONS if family == "compare_integer" else tuple(ATTRIBUTES)
    return [(detail, wanted) for detail in details for wanted in YES_NO for _ in range(count)]


def draw(rng: np.random.Generator, scene: Scene, slot: Slot) -> Question | None:
    """A question that fills the slot in its number of steps; None after many tries."""
    for _ in range(_TRIES):
        drawn = draw_once(rng, scene, slot)
        if drawn is not None and drawn[1] == slot.answer:
            return drawn[0]
    return None


def draw_once(rng: np.random.Generator, scene: Scene, slot: Slot) -> tuple[Question, str] | None:
    """A question of the slot's family, detail and number of steps, and its answer, whichever it is; or None."""
    phrases = _phrases(rng, scene, slot)
    question = Question(slot.family, phrases, slot.detail) if phrases else None
    if question is None or not (_needs_anchors(question, scene) and _open(question)):
        return None
    try:
        return question, answer(question, scene)
    except DegenerateQuestion:
        return None


def _phrases(rng: np.random.Generator, scene: Scene, slot: Slot) -> tuple[Phrase, ...]:
    """The phrases of a question, drawn at random; none where one of them was not found."""
    family, steps = slot.family, int(slot.label)
    first, second = (int(i) for i in rng.permutation(len(scene.solids))[:2])
    found: list[Phrase | None]
    if family in ("exist", "count"):
        found = [_group(rng, scene, steps - 1)]
    elif family == "query_attribute":
        found = [unique_phrase(rng, scene, first, steps - 1, slot.detail)]
    else:
        # a comparison takes three steps, and one more for each phrase that has an anchor
        anchors = {3: (0, 0), 4: (0, 1) if rng.random() < 0.5 else (1, 0), 5: (1, 1)}[steps]
        if family == "compare_integer":
            found = [group_phrase(rng, scene, own, 2, allow_same=False) for own in anchors]
        else:
            pairs = zip((first, second), anchors, strict=True)
            found = [unique_phrase(rng, scene, index, own, slot.detail) for index, own in pairs]
    phrases = tuple(phrase for phrase in found if phrase is not None)
    return phrases if len(phrases) == len(found) else ()


def _group(rng: np.random.Generator, scene: Scene, hops: int) -> Phrase | None:
    """Any number of solids seen from an anchor; a fifth of those with several anchors share an attribute with it."""
    phrase = group_phrase(rng, scene, hops)
    if phrase is not None and hops > 1 and rng.random() < 0.2:
        return replace(phrase, noun=Noun(), link=f"same_{tuple(ATTRIBUTES)[int(rng.integers(4))]}")
    return phrase


def _needs_anchors(question: Question, scene: Scene) -> bool:
    """Whether each phrase with an anchor means other solids than it would without; draws of single solids see to it."""
    if question.family not in ("exist", "count", "compare_integer"):
        return True
    try:
        return all(
            _meant(phrase, scene) != _meant(Phrase(phrase.noun), scene)
            for phrase in question.phrases
            if phrase.anchor is not None
        )
    except DegenerateQuestion:
        return False


def _meant(phrase: Phrase, scene: Scene) -> set[int]:
    return referents(Question("count", (phrase,)), scene)[0]


def _open(question: Question) -> bool:
    """Whether a comparison of numbers can come out either way: there are never more red cubes than cubes."""
    if question.family != "compare_integer":
        return True
    first, second = (set(phrase.noun.pairs()) for phrase in question.phrases)
    return not (first <= second or second <= first)


def reasoning_rows() -> list[Row]:
    """Each question in English and then in Russian, about three questions a picture."""
    rng = np.random.default_rng(_SEED)
    scenes = [s for _, s in scenes_of("reasoning_mini", IMAGES, lambda scene: len(scene.solids) >= FEWEST_SOLIDS)]
    cells = [image_cell(scene, f"reasoning_mini_{i:06d}.png") for i, scene in enumerate(scenes)]
    filled = fill(rng, scenes, plan_slots(), draw)
    both = [(item, language) for item in filled for language in _WORDINGS]
    return [
        {
            "image": cells[item.scene],
            "image_filename": cells[item.scene]["path"],
            "image_index": item.scene,
            "question_index": number,
            **_asked(item, scenes[item.scene], language),
        }
        for number, (item, language) in enumerate(both)
    ]


def _asked(item: Filled, scene: Scene, language: str) -> Row:
    """The columns of a question that depend on its wording and its program."""
    question, program = item.question, compile_question(item.question)
    return {
        "question": _WORDINGS[language](question),
        "answer": russian.ANSWERS[item.slot.answer] if language == "ru" else item.slot.answer,
        "question_family": question.family,
        "program": json.dumps(program),
        "lens_boxes": boxes_cell(scene, *referents(question, scene)),
        "lens_steps": steps_cell(program, objects_of(scene)),
        "steps": step_count(program),
        "language": language,
    }
