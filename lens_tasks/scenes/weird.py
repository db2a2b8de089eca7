"""weird_mini: pictures that obey or break a rule of this world, as choices between A and B in MERA's format.

Every pair holds a normal picture and its strange counterpart: the same solids, but about half of them without a shadow,
with the shadow towards the light, floating above their shadow, or lit from the wrong side.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lens_tasks.scenes.boxes import boxes_cell
from lens_tasks.scenes.instructions import NORMAL, STRANGE, WEIRD, WEIRD_QUESTION
from lens_tasks.scenes.pictures import SEEDS, Row, image_cell
from lens_tasks.scenes.sample import sample_pair
from lens_tasks.scenes.world import Scene

PAIRS: Final = 304
SHOT_PAIRS: Final = 5
_SEED: Final = 2512

CATEGORIES: Final = {
    "shadow_missing": ("Missing shadow", "Light and shadow"),
    "shadow_wrong_side": ("Shadow towards the light", "Light and shadow"),
    "lit_from_wrong_side": ("Lit from the wrong side", "Light and shadow"),
    "floating": ("Floating solid", "Gravity"),
}
"""Broken rule to WEIRD's violation subgroup and group."""


def _record(number: int, pair: str, scene: Scene, rule: str, layout: tuple[str, bool]) -> Row:
    instruction, strange_first = layout
    options = (STRANGE, NORMAL) if strange_first else (NORMAL, STRANGE)
    subgroup, group = CATEGORIES[rule]
    return {
        "instruction": instruction,
        "inputs": {
            "image": image_cell(scene, f"weird_mini_{number:04d}.png"),
            "question": WEIRD_QUESTION,
            "option_a": options[0],
            "option_b": options[1],
        },
        "outputs": "A" if (scene.violation is not None) == strange_first else "B",
        "meta": {
            "id": number,
            "categories": {"commonsense_violation_subgroup": subgroup, "commonsense_violation_group": group},
            "pair_id": pair,
            "image": {"synt_source": ["lens_tasks.scenes"], "source": "generated"},
        },
        "lens_boxes": boxes_cell(scene, () if scene.violation is None else scene.violation.members),
    }


def weird_rows(pairs: int = PAIRS) -> dict[str, list[Row]]:
    """Records by split: five shot pairs and ``pairs`` test pairs, one rule after the other.

    Over every 16 pairs both option orders come equally often for each rule and for both pictures of its pairs,
    in all combinations; the ten instructions are shared out evenly.
    """
    rng = np.random.default_rng(_SEED)
    seeds = iter(SEEDS["weird_mini"])
    return {
        "shots": _records(rng, [next(seeds) for _ in range(SHOT_PAIRS)], 0),
        "test": _records(rng, [next(seeds) for _ in range(pairs)], 2 * SHOT_PAIRS),
    }


def _records(rng: np.random.Generator, seeds: list[int], first_id: int) -> list[Row]:
    instructions = rng.permutation(2 * len(seeds)) % len(WEIRD)
    rows: list[Row] = []
    for index, seed in enumerate(seeds):
        normal, strange = sample_pair(seed)
        assert strange.violation is not None
        orders = ((normal, index // 4 % 2 == 0), (strange, index // 8 % 2 == 0))
        for scene, strange_first in orders:
            layout = (WEIRD[int(instructions[len(rows)])], strange_first)
            rows.append(_record(first_id + len(rows), f"mini_{seed}", scene, strange.violation.rule, layout))
    return rows
