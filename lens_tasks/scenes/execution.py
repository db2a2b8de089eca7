"""The machine that runs CLEVR's functional programs on the objects of a picture, one of ours or of the release."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "DegenerateQuestion",
    "Objects",
    "Program",
    "Value",
    "answer_text",
    "asked_and_anchors",
    "execute",
    "function_of",
]

Program = Sequence[Mapping[str, Any]]
"""The nodes of CLEVR's question files: `function`, `inputs` (numbers of earlier nodes) and `value_inputs`."""

Value = frozenset[int] | int | str | bool
"""What a node gives: numbers of objects, or a value."""


class DegenerateQuestion(ValueError):  # noqa: N818 - it is the question that is at fault, not the program
    """A phrase that must fit exactly one object fits none or several."""


@dataclass(frozen=True)
class Objects:
    """The objects of a picture.

    Attributes:
        values: attribute -> value, of each object.
        related: (object, relation) -> the objects in that direction of it.
    """

    values: Sequence[Mapping[str, str]]
    related: Callable[[int, str], frozenset[int]]

    @property
    def labels(self) -> list[str]:
        """`large red metal cube`, of each object."""
        return [" ".join(values.values()) for values in self.values]

    def with_value(self, name: str, value: str) -> frozenset[int]:
        """The objects whose attribute has this value."""
        return frozenset(number for number, values in enumerate(self.values) if values[name] == value)


def execute(program: Program, objects: Objects) -> list[Value]:
    """What each node of a program gives.

    Raises:
        DegenerateQuestion: a node that works on one object is given another number of them.
        ValueError: a function is not known.
    """
    results: list[Value] = []
    for node in program:
        given = [results[number] for number in node["inputs"]]
        results.append(_compared(node, *given) if len(given) == 2 else _found(node, given, objects))
    return results


def answer_text(value: Value) -> str:
    """A value in the spelling of CLEVR's answers."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def function_of(node: Mapping[str, Any]) -> str:
    """Name of a node's function; some releases call it the node's type."""
    return str(node.get("function") or node.get("type"))


def _found(node: Mapping[str, Any], given: Sequence[Value], objects: Objects) -> Value:
    """Nodes that work on one set of objects, or on none."""
    function = function_of(node)
    if function == "scene":
        return frozenset(range(len(objects.values)))
    found = given[0] if given else None
    if not isinstance(found, frozenset):
        raise ValueError(f"the function {function!r} of a program works on a set of objects; it is given {found!r}")
    if function.startswith("filter_"):
        return found & objects.with_value(function.removeprefix("filter_"), node["value_inputs"][0])
    if function == "exist":
        return bool(found)
    if function == "count":
        return len(found)
    if len(found) != 1:
        raise DegenerateQuestion(f"{function} needs exactly one object, found {len(found)}")
    return found if function == "unique" else _of_one(node, next(iter(found)), objects)


def _of_one(node: Mapping[str, Any], only: int, objects: Objects) -> Value:
    """Nodes that work on one object."""
    function = function_of(node)
    name = function.partition("_")[2]
    if function == "relate":
        return objects.related(only, node["value_inputs"][0])
    if function.startswith("same_"):
        return objects.with_value(name, objects.values[only][name]) - {only}
    if function.startswith("query_"):
        return objects.values[only][name]
    raise ValueError(f"unknown function {function!r} in a program")


def _compared(node: Mapping[str, Any], first: Value, second: Value) -> Value:
    """Nodes that work on two sets of objects or two values."""
    function = function_of(node)
    if isinstance(first, frozenset) and isinstance(second, frozenset) and function in ("union", "intersect"):
        return first | second if function == "union" else first & second
    if isinstance(first, int) and isinstance(second, int) and function in ("greater_than", "less_than"):
        return first > second if function == "greater_than" else first < second
    if function.startswith("equal_"):
        return first == second
    raise ValueError(f"unknown function {function!r} in a program")


def asked_and_anchors(program: Program, objects: Objects) -> tuple[set[int], set[int]]:
    """Numbers of the objects that a program's answer is computed from, and of those that it names to find them.

    Raises:
        DegenerateQuestion, ValueError: see `execute`.
    """
    results = execute(program, objects)
    anchors: set[int] = set()
    for node, found in zip(program, results, strict=True):
        anchors |= found if isinstance(found, frozenset) and function_of(node) == "unique" else frozenset()
    asked: set[int] = set()
    open_nodes = list(program[-1]["inputs"])
    while open_nodes:  # from the answer back to the sets of objects that it was computed from
        number = open_nodes.pop()
        own = results[number]
        if isinstance(own, frozenset):
            asked |= own
        else:
            open_nodes += program[number]["inputs"]
    return asked, anchors - asked
