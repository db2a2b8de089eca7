"""Draw scenes at random: 3 to 8 solids, some overlapping, every one of them visible."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from lens_tasks.scenes.geometry import apart, inside
from lens_tasks.scenes.render import visible_fractions
from lens_tasks.scenes.world import COLOURS, MATERIALS, SHAPES, SIZES, VIOLATIONS, Scene, Solid, Violation

FEWEST: Final = 3
MOST: Final = 8
LEAST_VISIBLE: Final = 0.55
"""Smallest visible part of a solid's silhouette in an accepted scene."""

_TRIES: Final = 60


def _solid(rng: np.random.Generator) -> Solid:
    size, color, material, shape = (int(rng.integers(len(values))) for values in (SIZES, COLOURS, MATERIALS, SHAPES))
    # Coordinates on a grid of 1/256 have exact float values, so ground truth prints and compares exactly.
    x, y = (float(rng.integers(-256, 257)) / 256.0 for _ in range(2))
    return Solid(SIZES[size], COLOURS[color], MATERIALS[material], SHAPES[shape], x, y)


def _fits(solids: list[Solid], candidate: Solid, tone: float) -> bool:
    if not inside(candidate) or not all(apart(candidate, other) for other in solids):
        return False
    return min(visible_fractions(Scene((*solids, candidate), tone))) >= LEAST_VISIBLE


def sample_scene(seed: int) -> Scene:
    """The normal scene of a seed; equal seeds give equal scenes."""
    rng = np.random.default_rng(seed)
    wanted = int(rng.integers(FEWEST, MOST + 1))
    tone = 0.9 + float(rng.integers(0, 33)) / 160.0
    while True:
        solids: list[Solid] = []
        for _ in range(_TRIES):
            candidate = _solid(rng)
            if _fits(solids, candidate, tone):
                solids.append(candidate)
            if len(solids) == wanted:
                return Scene(tuple(solids), tone)


def _shown(scene: Scene) -> list[int]:
    """Solids whose own picture and surroundings show a broken rule plainly."""
    return [i for i, part in enumerate(visible_fractions(scene)) if part >= 0.85]


def break_rule(scene: Scene, rule: str, seed: int) -> Scene | None:
    """The strange counterpart of a scene: about half of its solids (two at least) break ``rule``.

    Returns None when the scene offers no clear place to break it.
    """
    if rule not in VIOLATIONS:
        raise ValueError(f"unknown rule {rule!r}: expected one of {', '.join(VIOLATIONS)}")
    rng = np.random.default_rng((seed, VIOLATIONS.index(rule)))
    shown = _shown(scene)
    count = max(2, (len(scene.solids) + 1) // 2)
    if len(shown) < count:
        return None
    members = tuple(sorted(int(i) for i in rng.permutation(shown)[:count]))
    if not any(scene.solids[i].size == "large" for i in members):
        return None
    strange = replace(scene, violation=Violation(rule, members))
    return strange if min(visible_fractions(strange)) >= LEAST_VISIBLE else None


def sample_pair(seed: int) -> tuple[Scene, Scene]:
    """A normal scene and its strange counterpart; the rule that breaks depends on the seed."""
    rule = VIOLATIONS[seed % len(VIOLATIONS)]
    attempt = 0
    while True:
        scene = sample_scene(seed * 1009 + attempt)
        strange = break_rule(scene, rule, seed)
        if strange is not None:
            return scene, strange
        attempt += 1
