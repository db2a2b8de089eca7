"""Questions as CLEVR's functional programs, run on a scene."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypedDict

from lens_tasks.scenes.execution import Objects, answer_text, execute
from lens_tasks.scenes.questions import Phrase, Question
from lens_tasks.scenes.world import ATTRIBUTES, Scene, related

ANSWERS: Final = (
    *("yes", "no"),
    *(str(number) for number in range(11)),
    *(value for values in ATTRIBUTES.values() for value in values),
)
"""CLEVR's closed vocabulary of 28 answers."""

_COMPARE: Final = {"equal": "equal_integer", "greater": "greater_than", "less": "less_than"}


class Step(TypedDict):
    """One node of a program, in the spelling of CLEVR's question files."""

    inputs: list[int]
    function: str
    value_inputs: list[str]


def _append(steps: list[Step], function: str, inputs: list[int], values: list[str]) -> int:
    steps.append(Step(inputs=inputs, function=function, value_inputs=values))
    return len(steps) - 1


def _phrase(steps: list[Step], phrase: Phrase) -> int:
    """Append the steps of a phrase; the index of the last one is its set of solids."""
    if phrase.anchor is None or phrase.link is None:
        last = _append(steps, "scene", [], [])
    else:
        anchor = _append(steps, "unique", [_phrase(steps, phrase.anchor)], [])
        if phrase.link.startswith("same_"):
            last = _append(steps, phrase.link, [anchor], [])
        else:
            last = _append(steps, "relate", [anchor], [phrase.link])
    for name, value in phrase.noun.pairs():
        last = _append(steps, f"filter_{name}", [last], [value])
    return last


def compile_question(question: Question) -> list[Step]:
    """The program of a question; its last step gives the answer."""
    steps: list[Step] = []
    ends = [_phrase(steps, phrase) for phrase in question.phrases]
    if question.family in ("exist", "count"):
        _append(steps, question.family, ends, [])
    elif question.family == "compare_integer":
        first = _append(steps, "count", [ends[0]], [])
        second = _append(steps, "count", [ends[1]], [])
        _append(steps, _COMPARE[question.detail], [first, second], [])
    else:
        values = [_append(steps, "unique", [end], []) for end in ends]
        values = [_append(steps, f"query_{question.detail}", [value], []) for value in values]
        if question.family == "compare_attribute":
            _append(steps, f"equal_{question.detail}", values, [])
    return steps


@lru_cache(maxsize=256)
def objects_of(scene: Scene) -> Objects:
    """The solids of a scene as programs see them."""
    solids = scene.solids

    def there(index: int, relation: str) -> frozenset[int]:
        return frozenset(i for i in range(len(solids)) if related(solids[index], solids[i], relation))

    return Objects([{name: solid.value(name) for name in ATTRIBUTES} for solid in solids], there)


def run(program: Sequence[Step], scene: Scene) -> str:
    """Answer of a program on a scene, one of ANSWERS.

    Raises DegenerateQuestion where a phrase that must fit one solid does not.
    """
    return answer_text(execute(program, objects_of(scene))[-1])


def answer(question: Question, scene: Scene) -> str:
    """Compile a question and run it."""
    return run(compile_question(question), scene)
