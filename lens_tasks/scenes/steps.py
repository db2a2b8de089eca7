"""The steps of reasoning that a functional program asks for, each with its objects and its result."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from lens_tasks.scenes.execution import Objects, Program, Value, answer_text, execute, function_of

__all__ = ["ReasoningStep", "reasoning_steps", "step_count", "steps_cell"]

_ON_SETS = ("filter_", "same_")


@dataclass(frozen=True)
class ReasoningStep:
    """A part of a program that ends in one object, a count, an attribute, or a comparison of two earlier results.

    Attributes:
        function: of its last node: `unique`, `exist`, `count`, `query_*`, `equal_*`, `greater_than` or `less_than`.
        nodes: numbers of its nodes in the program, ascending.
        inputs: numbers of the earlier steps whose results it uses, ascending.
        objects: numbers of the objects that it finds, counts or asks about, ascending; none for a comparison, and
            where nothing fits.
        result: the label of the one object, or a value in the spelling of CLEVR's answers.
    """

    function: str
    nodes: tuple[int, ...]
    inputs: tuple[int, ...]
    objects: tuple[int, ...]
    result: str


def reasoning_steps(program: Program, objects: Objects) -> tuple[ReasoningStep, ...]:
    """The steps of a program on the objects of a picture; the last one's result is the answer.

    A `unique` whose object is only asked for an attribute is one step with that question.

    Raises:
        DegenerateQuestion, ValueError: see `execution.execute`.
    """
    results = execute(program, objects)
    ends = _ends(program)
    return tuple(_step(program, end, ends, results, objects) for end in ends)


def step_count(program: Program) -> int:
    """Number of steps of a program, which is the same for every picture."""
    return len(_ends(program))


def steps_cell(program: Program, objects: Objects) -> str:
    """The `lens_steps` of a document (docs/reasoning.md): its steps as JSON."""
    return json.dumps([asdict(step) for step in reasoning_steps(program, objects)])


def _ends(program: Program) -> list[int]:
    return [number for number in range(len(program)) if _ends_step(program, number)]


def _ends_step(program: Program, number: int) -> bool:
    function = function_of(program[number])
    if function in ("scene", "relate", "union", "intersect") or function.startswith(_ON_SETS):
        return False
    users = [function_of(node) for node in program if number in node["inputs"]]
    return not (function == "unique" and users and all(user.startswith("query_") for user in users))


def _step(program: Program, end: int, ends: list[int], results: list[Value], objects: Objects) -> ReasoningStep:
    nodes, used = {end}, set()
    open_nodes = list(program[end]["inputs"])
    while open_nodes:
        number = open_nodes.pop()
        if number in ends:
            used.add(ends.index(number))
        else:
            nodes.add(number)
            open_nodes += program[number]["inputs"]
    own = results[end]
    about = [own] if isinstance(own, frozenset) else [results[number] for number in program[end]["inputs"]]
    found = frozenset[int]().union(*(each for each in about if isinstance(each, frozenset)))
    result = objects.labels[next(iter(own))] if isinstance(own, frozenset) else answer_text(own)
    return ReasoningStep(
        function_of(program[end]), tuple(sorted(nodes)), tuple(sorted(used)), tuple(sorted(found)), result
    )
