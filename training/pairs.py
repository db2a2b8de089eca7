"""What stands and moves in each of the 16 cells of a pair of frames: targets of the vision tower on videos."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from lens_tasks.scenes.clips.clip import LEAST_MOVE, Clip
from lens_tasks.scenes.geometry import SIDE, place
from lens_tasks.scenes.render import visible_fractions
from lens_tasks.scenes.world import COLOURS, Solid
from training.cells import NAMES as STILL_NAMES
from training.cells import PAIRS

GRID: Final = 4
FINE: Final = 4
"""Parts of a cell's width and height that a place in it is told by."""

CHANGES: Final = ("left", "right", "up", "down", "appears", "vanishes")
_KINDS: Final = tuple(name for name in STILL_NAMES if len(name) > 1)
_FRAME: Final = (
    *_KINDS,
    *(("column", str(part)) for part in range(FINE)),
    *(("row", str(part)) for part in range(FINE)),
)
NAMES: Final = (
    *(("first", *name) for name in _FRAME),
    *(("second", *name) for name in _FRAME),
    *(("changes", colour) for colour in COLOURS),
    *((change,) for change in CHANGES),
)
"""What a cell is asked: for both frames kind and place of the solids seen in it, then which of them change, and how."""
_INDEX: Final = {name: number for number, name in enumerate(NAMES)}


def pair_targets(clip: Clip, pair: int) -> npt.NDArray[np.bool_]:
    """Bool [16, len(NAMES)] of frames ``2 * pair`` and ``2 * pair + 1``; only what is seen counts."""
    result = np.zeros((GRID * GRID, len(NAMES)), dtype=np.bool_)
    first, second = (_seen(clip, 2 * pair + part) for part in range(2))
    for frame, solids in (("first", first), ("second", second)):
        for solid in solids.values():
            across, down = _centre(solid)
            cell = result[_cell(solid)]
            for one, two in PAIRS:
                cell[_INDEX[(frame, one, solid.value(one), two, solid.value(two))]] = True
            cell[_INDEX[(frame, "column", str(int(across * FINE) % FINE))]] = True
            cell[_INDEX[(frame, "row", str(int(down * FINE) % FINE))]] = True
    for actor in first.keys() | second.keys():
        changes = _changes(first.get(actor), second.get(actor))
        for solid in (first.get(actor), second.get(actor)):
            if solid is not None and changes:
                cell = result[_cell(solid)]
                cell[_INDEX[("changes", solid.color)]] = True
                for change in changes:
                    cell[_INDEX[(change,)]] = True
    return result


def _seen(clip: Clip, number: int) -> dict[int, Solid]:
    """The solids of a frame of which anything is seen, by their actors."""
    scene, actors = clip.frame(number)
    shares = visible_fractions(scene)
    return {a: solid for a, solid, share in zip(actors, scene.solids, shares, strict=True) if share > 0.0}


def _centre(solid: Solid) -> tuple[float, float]:
    """Middle of the silhouette, in cells from the left and from the top."""
    spot, last = place(solid), GRID - 1e-6
    across, down = spot.x * GRID / SIDE, (spot.base - spot.height / 2.0) * GRID / SIDE
    return min(max(across, 0.0), last), min(max(down, 0.0), last)


def _cell(solid: Solid) -> int:
    across, down = _centre(solid)
    return int(down) * GRID + int(across)


def _changes(one: Solid | None, two: Solid | None) -> list[str]:
    """What happens to an object from one frame to the next, among CHANGES."""
    if one is None or two is None:
        return ["appears" if one is None else "vanishes"]
    first, second = place(one), place(two)
    across, down = second.x - first.x, second.base - first.base
    named = {"left": -across, "right": across, "up": -down, "down": down}
    return [name for name, moved in named.items() if moved >= LEAST_MOVE]
