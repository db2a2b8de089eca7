"""Questions of several steps, answered in short steps or at once."""

from __future__ import annotations

import re

import numpy as np

from lens_tasks.scenes import english, russian
from lens_tasks.scenes.instructions import DIRECT, REASONING
from lens_tasks.scenes.programs import compile_question, objects_of
from lens_tasks.scenes.questions import Noun, Question
from lens_tasks.scenes.reasoning import draw_once, plan_slots
from lens_tasks.scenes.steps import ReasoningStep, reasoning_steps
from lens_tasks.scenes.world import Scene
from training.mixture import IMAGE, Turn
from training.prompts import THINK

SLOTS = tuple(plan_slots())
_WORD = {"en": "Step", "ru": "Шаг"}
_ANSWER = {"en": "Answer", "ru": "Ответ"}
WORDING = {"en": english.question_text, "ru": russian.question_text}
_TRIES = 8
_RESULT = re.compile(r"\d: ([^.]+)\.")


def step_text(step: ReasoningStep, scene: Scene, language: str) -> str:
    """What a step found: the one object, or a value."""
    if step.function != "unique":
        return step.result if language == "en" else russian.ANSWERS[step.result]
    solid = scene.solids[step.objects[0]]
    noun = Noun(solid.size, solid.color, solid.material, solid.shape)
    return english.noun_text(noun) if language == "en" else russian.noun_text(noun, "nom")


def steps_text(question: Question, scene: Scene, language: str) -> str:
    """``Step 1: small blue metal cube. Step 2: 3.``: all steps of a question, the last one's result included."""
    steps = reasoning_steps(compile_question(question), objects_of(scene))
    return " ".join(
        f"{_WORD[language]} {number}: {step_text(step, scene, language)}." for number, step in enumerate(steps, start=1)
    )


def reasoning_turns(rng: np.random.Generator, scene: Scene, language: str, count: int) -> list[Turn]:
    """Up to ``count`` turns about one picture: numbered steps, steps between think tags, or the answer at once."""
    found = (drawn(rng, scene) for _ in range(2 * count))
    return [_turn(rng, scene, language, *each) for each in found if each is not None][:count]


def drawn(rng: np.random.Generator, scene: Scene) -> tuple[Question, str] | None:
    """A question of a cell of the benchmark's plan, with the cell's answer where a few tries find one."""
    slot, found = SLOTS[int(rng.integers(len(SLOTS)))], None
    for _ in range(_TRIES):
        found = draw_once(rng, scene, slot) or found
        if found is not None and found[1] == slot.answer:
            break
    return found


def _turn(rng: np.random.Generator, scene: Scene, language: str, question: Question, right: str) -> Turn:
    answer = right if language == "en" else russian.ANSWERS[right]
    asked = IMAGE + WORDING[language](question)
    form = rng.random()
    if form < 0.3:
        return Turn(f"{asked}\n{DIRECT[language]}", answer)
    steps = steps_text(question, scene, language)
    if form < 0.5:
        return _graded(f"{asked}\n{THINK[language]}", f"<think>{steps}</think>{answer}", answer)
    return _graded(f"{asked}\n{REASONING[language]}", f"{steps} {_ANSWER[language]}: {answer}", answer)


def _graded(prompt: str, text: str, answer: str) -> Turn:
    """A turn in which what the steps found counts, and the answer: "Step 2:" is learnt soon enough."""
    results = [found.span(1) for found in _RESULT.finditer(text)]
    return Turn(prompt, text, results=(*results, (len(text) - len(answer), len(text))))
