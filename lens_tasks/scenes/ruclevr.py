"""ruclevr_mini: ruCLEVR's question types in MERA's record format."""

from __future__ import annotations

from typing import Final

import numpy as np

from lens_tasks.scenes.boxes import boxes_cell, referents
from lens_tasks.scenes.instructions import RUCLEVR
from lens_tasks.scenes.pictures import Row, image_cell, scenes_of
from lens_tasks.scenes.questions import Question
from lens_tasks.scenes.russian import ANSWERS, QUESTION_TYPES, question_text
from lens_tasks.scenes.slots import Filled, Slot, answers_of, by_hops, fill
from lens_tasks.scenes.world import Scene

IMAGES: Final = 126
SHOTS: Final = 10
PLAN: Final = {"binary": 102, "colors": 104, "count": 102, "materials": 100, "shapes": 102, "size": 100}
"""Test questions of each type, shared out evenly over the type's answers."""

HOPS: Final = (0.40, 0.40, 0.20)
"""Shares of questions with 0, 1 and 2 anchors (comparisons have none)."""

_SHOT_PLAN: Final = {"binary": 2, "colors": 2, "count": 2, "materials": 1, "shapes": 2, "size": 1}
_BINARY: Final = ("exist", "compare_integer", "compare_attribute")
_ATTRIBUTE: Final = {name: attribute for attribute, name in QUESTION_TYPES.items()}
_SEED: Final = 2511


def wordable(question: Question) -> bool:
    """Comparisons of phrases with anchors read badly in Russian; they are left out."""
    return not question.family.startswith("compare") or all(p.anchor is None for p in question.phrases)


def plan_slots(plan: dict[str, int]) -> list[Slot]:
    """One slot for every question; the binary ones come from three CLEVR families."""
    slots = []
    for kind, count in plan.items():
        for i in range(count):
            detail = _ATTRIBUTE.get(kind, "")
            family = {"binary": _BINARY[i // 2 % 3], "count": "count"}.get(kind, "query_attribute")
            answers = answers_of(family, detail)
            slots.append(Slot(kind, family, detail, answers[i % len(answers)]))
    return slots


def ruclevr_rows(images: int = IMAGES, plan: dict[str, int] | None = None) -> dict[str, list[Row]]:
    """Records by split: ten shots (one per instruction, on pictures of their own) and the test questions."""
    rng, draw = np.random.default_rng(_SEED), by_hops(HOPS, wordable)
    scenes = [scene for _, scene in scenes_of("ruclevr_mini", images + SHOTS, lambda _: True)]
    shots = fill(rng, scenes[:SHOTS], plan_slots(_SHOT_PLAN), draw)
    test = fill(rng, scenes[SHOTS:], plan_slots(plan or PLAN), draw)
    return {
        "shots": _records(rng, shots, scenes[:SHOTS], "shot", 0),
        "test": _records(rng, test, scenes[SHOTS:], "test", SHOTS),
    }


def _records(
    rng: np.random.Generator, filled: list[Filled], scenes: list[Scene], prefix: str, first_id: int
) -> list[Row]:
    """Rows with ids from ``first_id``; the ten instructions are shared out evenly."""
    cells = [image_cell(scene, f"ruclevr_mini_{prefix}_{i:04d}.png") for i, scene in enumerate(scenes)]
    order = rng.permutation(len(filled)) % len(RUCLEVR)
    return [
        {
            "instruction": RUCLEVR[int(order[i])],
            "inputs": {"image": cells[item.scene], "question": question_text(item.question)},
            "outputs": ANSWERS[item.slot.answer],
            "meta": {
                "id": first_id + i,
                "question_type": item.slot.label,
                "image": {"synt_source": ["lens_tasks.scenes"], "type": ["generated"]},
            },
            "lens_boxes": boxes_cell(scenes[item.scene], *referents(item.question, scenes[item.scene])),
        }
        for i, item in enumerate(filled)
    ]
