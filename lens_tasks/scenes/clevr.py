"""clevr_mini: CLEVR's five question families, balanced over their answers."""

from __future__ import annotations

import json
from typing import Final

import numpy as np

from lens_tasks.scenes.boxes import boxes_cell, referents
from lens_tasks.scenes.english import question_text
from lens_tasks.scenes.pictures import Row, image_cell, scenes_of
from lens_tasks.scenes.programs import compile_question
from lens_tasks.scenes.slots import Slot, answers_of, by_hops, fill
from lens_tasks.scenes.world import ATTRIBUTES

IMAGES: Final = 120
PLAN: Final = {
    "exist": 120,
    "count": 120,
    "compare_integer": 100,
    "compare_attribute": 100,
    "query_attribute": 160,
}
"""Questions of each family, shared out evenly over the family's answers."""

HOPS: Final = (0.40, 0.34, 0.18, 0.08)
"""Shares of questions with 0, 1, 2 and 3 anchors (comparisons have at most one)."""

_SEED: Final = 1612


def plan_slots(plan: dict[str, int]) -> list[Slot]:
    """One slot for every question; the four attributes share the query_attribute family."""
    slots = []
    for family, count in plan.items():
        for i in range(count):
            detail, turn = "", i
            if family == "query_attribute":
                detail, turn = tuple(ATTRIBUTES)[i % 4], i // 4
            answers = answers_of(family, detail)
            slots.append(Slot(family, family, detail, answers[turn % len(answers)]))
    return slots


def clevr_rows(images: int = IMAGES, plan: dict[str, int] | None = None) -> list[Row]:
    """Five questions about each picture, on average."""
    rng = np.random.default_rng(_SEED)
    scenes = [scene for _, scene in scenes_of("clevr_mini", images, lambda _: True)]
    cells = [image_cell(scene, f"CLEVR_mini_{i:06d}.png") for i, scene in enumerate(scenes)]
    return [
        {
            "image": cells[item.scene],
            "image_filename": cells[item.scene]["path"],
            "image_index": item.scene,
            "question_index": number,
            "question": question_text(item.question),
            "answer": item.slot.answer,
            "question_family": item.slot.family,
            "program": json.dumps(compile_question(item.question)),
            "lens_boxes": boxes_cell(scenes[item.scene], *referents(item.question, scenes[item.scene])),
        }
        for number, item in enumerate(fill(rng, scenes, plan_slots(plan or PLAN), by_hops(HOPS)))
    ]
