"""Scenes to pixels: 64 x 64 RGB, drawn four times finer and averaged."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from lens_tasks.scenes.geometry import SIDE, Placement, place
from lens_tasks.scenes.surfaces import SURFACES, Field, Mask, Surface
from lens_tasks.scenes.world import Scene

Pixels = npt.NDArray[np.uint8]

FINE: Final = 4
"""Sample points per pixel and direction."""

PAINT: Final = {
    "gray": (105, 105, 105),
    "red": (190, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 125, 20),
    "brown": (129, 74, 25),
    "purple": (139, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 230, 51),
}
"""CLEVR's colours, a few a little brighter to stay apart at this size."""

_SHADOW: Final = 0.52


@lru_cache(maxsize=2)
def _floor(fine: int) -> Field:
    """Empty picture in [0, 1]: brighter to the left (where the light is) and towards the viewer."""
    axis = (np.arange(SIDE * fine, dtype=np.float64) + 0.5) / (SIDE * fine)
    across, down = axis[None, :], axis[:, None]
    wall = 0.62 + 0.0 * down
    ground = 0.66 + 0.16 * down
    base = np.where(down < 0.27, wall, ground) * (1.08 - 0.16 * across)
    return np.stack([base, base * 0.99, base * 0.97], axis=-1)


def _window(left: float, right: float, top: float, bottom: float, fine: int) -> tuple[slice, slice, Field, Field]:
    """Rows, columns and sample coordinates (pixels) of a box, clipped to the picture."""
    x0, x1 = max(0, int(left * fine)), min(SIDE * fine, int(right * fine) + 2)
    y0, y1 = max(0, int(top * fine)), min(SIDE * fine, int(bottom * fine) + 2)
    xs = (np.arange(x0, x1, dtype=np.float64) + 0.5) / fine
    ys = (np.arange(y0, y1, dtype=np.float64) + 0.5) / fine
    return slice(y0, y1), slice(x0, x1), xs[None, :], ys[:, None]


def _surface(spot: Placement, mirrored: bool, fine: int) -> tuple[slice, slice, Surface]:
    """Window and shading of a solid; ``mirrored`` lights the same silhouette from the right."""
    r = spot.radius
    rows, cols, xs, ys = _window(spot.x - 1.2 * r, spot.x + 1.2 * r, spot.base - 2.2 * r, spot.base, fine)
    u, v = np.broadcast_arrays((xs - spot.x) / r, (spot.base - ys) / r)
    surface = SURFACES[spot.shape](u, v)
    if mirrored:
        turned = SURFACES[spot.shape](-u, v)
        surface = turned if spot.shape == "cube" else Surface(surface.mask, turned.light, turned.gloss)
    return rows, cols, surface


def _cast(canvas: Field, spot: Placement, to_left: bool, fine: int) -> None:
    """Darken the floor under and beside a solid; the shadow falls away from the light."""
    r, side = spot.radius, -1.0 if to_left else 1.0
    x, y = spot.x + side * 0.75 * r, spot.foot - 0.16 * r
    rows, cols, xs, ys = _window(x - 1.4 * r, x + 1.4 * r, y - 0.5 * r, y + 0.5 * r, fine)
    across, along = (xs - x) / (1.3 * r), (ys - y) / (0.42 * r)
    depth = np.clip((1.0 - (across * across + along * along)) * 3.0, 0.0, 1.0)
    canvas[rows, cols] *= (1.0 - _SHADOW * depth)[..., None]


def _paint(canvas: Field, color: str, metal: bool, window: tuple[slice, slice, Surface]) -> None:
    """Cover the floor with a shaded solid; metal has more contrast and a white highlight."""
    rows, cols, surface = window
    light = 1.25 * surface.light - 0.22 if metal else 0.30 + 0.66 * surface.light
    tint = np.asarray(PAINT[color], dtype=np.float64) / 255.0
    shaded = tint * light[..., None]
    if metal:
        shaded = shaded + surface.gloss[..., None] * (1.0 - 0.4 * tint)
    canvas[rows, cols] = np.where(surface.mask[..., None], shaded, canvas[rows, cols])


def _order(scene: Scene) -> list[int]:
    return sorted(range(len(scene.solids)), key=lambda i: scene.solids[i].y)


def render(scene: Scene) -> Pixels:
    """Picture of a scene, uint8 [64, 64, 3]; the same scene gives the same bytes everywhere."""
    canvas = _floor(FINE) * scene.tone
    spots = [place(s, scene.rule_for(i) == "floating") for i, s in enumerate(scene.solids)]
    for index in _order(scene):
        rule = scene.rule_for(index)
        if rule != "shadow_missing":
            _cast(canvas, spots[index], rule == "shadow_wrong_side", FINE)
    for index in _order(scene):
        solid = scene.solids[index]
        window = _surface(spots[index], scene.rule_for(index) == "lit_from_wrong_side", FINE)
        _paint(canvas, solid.color, solid.material == "metal", window)
    fine = np.rint(np.clip(canvas, 0.0, 1.0) * 255.0).astype(np.uint32)
    blocks = fine.reshape(SIDE, FINE, SIDE, FINE, 3).sum(axis=(1, 3))
    pixels: Pixels = ((blocks + FINE * FINE // 2) // (FINE * FINE)).astype(np.uint8)
    return pixels


def visible_silhouettes(scene: Scene) -> tuple[Mask, ...]:
    """For each solid, `[128, 128]`: where it is seen, two sample points per pixel and direction."""
    return tuple(mask for mask, _ in _silhouettes(scene))


def visible_fractions(scene: Scene) -> tuple[float, ...]:
    """For each solid the part of its silhouette that no nearer solid hides, in [0, 1]."""
    return tuple(float(mask.sum()) / max(1, whole) for mask, whole in _silhouettes(scene))


def _silhouettes(scene: Scene) -> list[tuple[Mask, int]]:
    """For each solid where it is seen, and how many sample points it would cover alone."""
    covered: Mask = np.zeros((SIDE * 2, SIDE * 2), dtype=np.bool_)
    found: dict[int, tuple[Mask, int]] = {}
    for index in reversed(_order(scene)):
        spot = place(scene.solids[index], scene.rule_for(index) == "floating")
        rows, cols, surface = _surface(spot, False, 2)
        free: Mask = np.zeros_like(covered)
        free[rows, cols] = surface.mask & ~covered[rows, cols]
        found[index] = (free, int(surface.mask.sum()))
        covered[rows, cols] |= surface.mask
    return [found[index] for index in range(len(scene.solids))]


def encode_png(pixels: Pixels) -> bytes:
    """PNG file of a picture, without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
