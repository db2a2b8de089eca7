"""Questions as CLEVR's functional programs, and the machine that runs them on a scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypedDict

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


class DegenerateQuestion(ValueError):  # noqa: N818 - it is the question that is at fault, not the program
    """A phrase that must fit exactly one solid fits none or several."""


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


Value = frozenset[int] | int | str | bool


def _set_step(step: Step, given: list[frozenset[int]], scene: Scene) -> Value:
    """Steps that work on sets of solids (indices)."""
    function, solids = step["function"], scene.solids
    if function == "scene":
        return frozenset(range(len(solids)))
    found = given[0]
    if function.startswith("filter_"):
        name, wanted = function.removeprefix("filter_"), step["value_inputs"][0]
        return frozenset(i for i in found if solids[i].value(name) == wanted)
    if function == "exist":
        return bool(found)
    if function == "count":
        return len(found)
    if len(found) != 1:
        raise DegenerateQuestion(f"{function} needs exactly one solid, found {len(found)}")
    (only,) = found
    if function == "unique":
        return found
    if function == "relate":
        return frozenset(i for i in range(len(solids)) if related(solids[only], solids[i], step["value_inputs"][0]))
    if function.startswith("same_"):
        name = function.removeprefix("same_")
        value = solids[only].value(name)
        return frozenset(i for i in range(len(solids)) if i != only and solids[i].value(name) == value)
    if function.startswith("query_"):
        return solids[only].value(function.removeprefix("query_"))
    raise ValueError(f"unknown function {function!r} in a program")


def _compare_step(function: str, first: Value, second: Value) -> bool:
    if function == "greater_than":
        return int(first) > int(second)  # type: ignore[arg-type]
    if function == "less_than":
        return int(first) < int(second)  # type: ignore[arg-type]
    if function.startswith("equal_"):
        return first == second
    raise ValueError(f"unknown function {function!r} in a program")


def run(program: list[Step], scene: Scene) -> str:
    """Answer of a program on a scene, one of ANSWERS.

    Raises DegenerateQuestion where a phrase that must fit one solid does not.
    """
    results: list[Value] = []
    for step in program:
        inputs = [results[i] for i in step["inputs"]]
        if len(inputs) == 2:
            results.append(_compare_step(step["function"], *inputs))
        else:
            results.append(_set_step(step, [v for v in inputs if isinstance(v, frozenset)], scene))
    answer = results[-1]
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return str(answer)


def answer(question: Question, scene: Scene) -> str:
    """Compile a question and run it."""
    return run(compile_question(question), scene)


def asked_and_anchors(
    program: Sequence[Mapping[str, Any]],
    values: Sequence[Mapping[str, str]],
    related: Callable[[int, str], frozenset[int]],
) -> tuple[set[int], set[int]]:
    """Indices of the objects that a program's answer is computed from, and of those that it names to find them.

    Args:
        program: of CLEVR's question files.
        values: attribute -> value, of each object.
        related: (object, relation) -> the objects in that direction of it.

    Raises:
        ValueError: a step that works on one object is given another number of them, or a step is not known.
    """
    sets: list[frozenset[int] | None] = []
    anchors: set[int] = set()
    for step in program:
        given = [found for source in step["inputs"] if (found := sets[source]) is not None]
        found = _objects(step, given, values, related)
        sets.append(found)
        anchors |= found if found is not None and step["function"] == "unique" else frozenset()
    asked: set[int] = set()
    open_steps = list(program[-1]["inputs"])
    while open_steps:  # from the answer back to the sets of objects that it was computed from
        number = open_steps.pop()
        own = sets[number]
        if own is None:
            open_steps += program[number]["inputs"]
        else:
            asked |= own
    return asked, anchors - asked


def _objects(
    step: Mapping[str, Any],
    given: Sequence[frozenset[int]],
    values: Sequence[Mapping[str, str]],
    related: Callable[[int, str], frozenset[int]],
) -> frozenset[int] | None:
    """The objects that a step gives; None for one that gives a value."""
    function = str(step["function"])
    if function == "scene":
        return frozenset(range(len(values)))
    if function in ("union", "intersect"):
        return given[0] | given[1] if function == "union" else given[0] & given[1]
    if function.startswith("filter_"):
        name, wanted = function.removeprefix("filter_"), step["value_inputs"][0]
        return frozenset(i for i in given[0] if values[i][name] == wanted)
    if function not in ("unique", "relate") and not function.startswith("same_"):
        return None
    if len(given[0]) != 1:
        raise DegenerateQuestion(f"{function} needs exactly one object, found {len(given[0])}")
    (only,) = given[0]
    if function == "unique":
        return given[0]
    if function == "relate":
        return related(only, step["value_inputs"][0])
    name = function.removeprefix("same_")
    return frozenset(i for i in range(len(values)) if i != only and values[i][name] == values[only][name])
