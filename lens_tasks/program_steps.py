"""The steps of a document's program, from its column `lens_steps` (docs/reasoning.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["ProgramError", "ProgramStep", "program_steps"]

_COLUMN: Final = "lens_steps"


class ProgramError(ValueError):
    """The steps of a document's program cannot be read; the text says what was found."""


@dataclass(frozen=True)
class ProgramStep:
    """A step of a document's program.

    Attributes:
        function: its last function.
        objects: the boxes that it is about, as numbers in the document's boxes.
        result: a value, or the label of an object; English.
    """

    function: str
    objects: tuple[int, ...]
    result: str


def program_steps(doc: Any) -> tuple[ProgramStep, ...]:
    """The steps that a document's column `lens_steps` names; none without the column.

    Raises:
        ProgramError: the column cannot be read.
    """
    value = doc.get(_COLUMN) if isinstance(doc, Mapping) else None
    if value is None or value == "":
        return ()
    try:
        entries = json.loads(value) if isinstance(value, str) else list(value)
        return tuple(map(_step, entries))
    except (KeyError, TypeError, ValueError) as error:
        raise ProgramError(
            f"lens_steps is {str(value)[:100]!r}; expected a list of steps with function, objects (numbers of "
            "lens_boxes, from 0) and result"
        ) from error


def _step(entry: Any) -> ProgramStep:
    objects = tuple(int(number) for number in entry["objects"])
    if any(number < 0 for number in objects):
        raise ValueError("objects are counted from 0")
    return ProgramStep(str(entry["function"]), objects, str(entry["result"]))
