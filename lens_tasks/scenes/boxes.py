"""Which solids a question is about, and where in the picture they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

import numpy as np

from lens_tasks.scenes.execution import asked_and_anchors
from lens_tasks.scenes.geometry import SIDE
from lens_tasks.scenes.programs import compile_question, objects_of
from lens_tasks.scenes.questions import Question
from lens_tasks.scenes.render import visible_silhouettes
from lens_tasks.scenes.world import Scene

ASKED: Final = "asked"
ANCHOR: Final = "anchor"
OTHER: Final = "other"


def boxes_cell(scene: Scene, asked: Iterable[int], anchors: Iterable[int] = ()) -> str:
    """The `lens_boxes` of a document (docs/boxes.md): every solid with its visible box, in pixels, and its role."""
    roles = roles_of(len(scene.solids), asked, anchors)
    found = zip(objects_of(scene).labels, visible_boxes(scene), roles, strict=True)
    return json.dumps([{"label": label, "box": list(box), "role": role} for label, box, role in found])


def roles_of(count: int, asked: Iterable[int], anchors: Iterable[int]) -> list[str]:
    """The role of each of so many objects."""
    about, named = set(asked), set(anchors)
    return [ASKED if i in about else ANCHOR if i in named else OTHER for i in range(count)]


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
    return asked_and_anchors(compile_question(question), objects_of(scene))
