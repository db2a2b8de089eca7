"""Which solids a question is about, and where in the picture they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

import numpy as np

from lens_tasks.scenes.geometry import SIDE
from lens_tasks.scenes.programs import compile_question, results
from lens_tasks.scenes.questions import Question
from lens_tasks.scenes.render import visible_silhouettes
from lens_tasks.scenes.world import ATTRIBUTES, Scene, Solid

ASKED: Final = "asked"
ANCHOR: Final = "anchor"
OTHER: Final = "other"


def boxes_cell(scene: Scene, asked: Iterable[int], anchors: Iterable[int] = ()) -> str:
    """The `lens_boxes` of a document (docs/boxes.md): every solid with its visible box, in pixels, and its role."""
    asked, anchors = set(asked), set(anchors)
    roles = [ASKED if i in asked else ANCHOR if i in anchors else OTHER for i in range(len(scene.solids))]
    found = zip(scene.solids, visible_boxes(scene), roles, strict=True)
    return json.dumps([{"label": _label(solid), "box": list(box), "role": role} for solid, box, role in found])


def visible_boxes(scene: Scene) -> tuple[tuple[int, int, int, int], ...]:
    """For each solid the pixels that show it: left, top, right, bottom, the last two not included."""
    boxes = []
    for mask in visible_silhouettes(scene):
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        scale = mask.shape[0] // SIDE
        low, high = (
            (int(at[0]) // scale for at in (columns, rows)),
            (-(-int(at[-1] + 1) // scale) for at in (columns, rows)),
        )
        boxes.append((*low, *high))
    return tuple(boxes)


def referents(question: Question, scene: Scene) -> tuple[set[int], set[int]]:
    """Indices of the solids that the question is about, and of those that it names to say which ones those are."""
    program = compile_question(question)
    found = results(program, scene)
    asked: set[int] = set()
    open_steps = list(program[-1]["inputs"])
    while open_steps:  # from the answer back to the sets of solids that it was computed from
        step = open_steps.pop()
        value = found[step]
        if isinstance(value, frozenset):
            asked |= value
        else:
            open_steps += program[step]["inputs"]
    anchors = {i for step, value in zip(program, found, strict=True) if step["function"] == "unique"
               and isinstance(value, frozenset) for i in value}  # fmt: skip
    return asked, anchors - asked


def _label(solid: Solid) -> str:
    return " ".join(solid.value(name) for name in ATTRIBUTES)
