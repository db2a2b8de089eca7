"""What stands in each of the 16 cells of a picture: targets of the auxiliary loss on the image tokens."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

from lens_tasks.scenes.geometry import SIDE, place
from lens_tasks.scenes.world import ATTRIBUTES, VIOLATIONS, Scene

PAIRS = (("color", "shape"), ("color", "size"), ("color", "material"), ("shape", "size"), ("shape", "material"))
NAMES: tuple[tuple[str, ...], ...] = tuple(
    (one, a, two, b) for one, two in PAIRS for a, b in product(ATTRIBUTES[one], ATTRIBUTES[two])
) + tuple((rule,) for rule in VIOLATIONS)
_INDEX = {name: i for i, name in enumerate(NAMES)}


def cell_targets(scene: Scene, side: int = 4) -> npt.NDArray[np.bool_]:
    """Bool [side * side, len(NAMES)]: for solids centred in a cell, their attribute pairs and broken rules."""
    result = np.zeros((side * side, len(NAMES)), dtype=np.bool_)
    for index, solid in enumerate(scene.solids):
        rule = scene.rule_for(index)
        spot = place(solid, rule == "floating")
        row = int(min(side - 1, max(0.0, (spot.base - spot.height / 2) * side / SIDE)))
        column = int(min(side - 1, max(0.0, spot.x * side / SIDE)))
        cell = result[row * side + column]
        for one, two in PAIRS:
            cell[_INDEX[(one, solid.value(one), two, solid.value(two))]] = True
        if rule is not None:
            cell[_INDEX[(rule,)]] = True
    return result
