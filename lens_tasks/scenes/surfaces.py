"""Silhouettes and shading of the three shapes.

Only + - * / and square roots are used: they are exact to the last bit on every processor.
Arrays are float64, one value per sample point; ``u`` runs right and ``v`` up from the solid's
lowest middle point, in units of its radius.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Surface:
    """Which sample points a solid covers, how bright they are and where the highlight lies."""

    mask: Mask
    light: Field
    gloss: Field


def _power(base: Field, doublings: int) -> Field:
    for _ in range(doublings):
        base = base * base
    return base


def _spot(u: Field, v: Field, at: tuple[float, float], radius: float) -> Field:
    distance = ((u - at[0]) * (u - at[0]) + (v - at[1]) * (v - at[1])) / (radius * radius)
    return np.maximum(0.0, 1.0 - distance)


def sphere(u: Field, v: Field) -> Surface:
    """A ball lit from the upper left."""
    w = v - 1.0
    square = u * u + w * w
    depth = np.sqrt(np.maximum(0.0, 1.0 - square))
    lambert = np.maximum(0.0, -0.55 * u + 0.55 * w + 0.63 * depth)
    half = np.maximum(0.0, -0.33 * u + 0.33 * w + 0.885 * depth)
    return Surface(square <= 1.0, 0.30 + 0.80 * lambert, _power(half, 5))


def cylinder(u: Field, v: Field) -> Surface:
    """An upright cylinder: bright lid, wall shaded from left to right."""
    half, tilt, tall = 0.82, 0.28, 1.78
    across = u / half
    bow = np.sqrt(np.maximum(0.0, 1.0 - across * across))
    lid = across * across + ((v - tall) / tilt) * ((v - tall) / tilt) <= 1.0
    wall = (np.abs(across) <= 1.0) & (v >= tilt * (1.0 - bow)) & (v <= tall)
    lambert = np.maximum(0.0, -0.62 * across + 0.62 * bow)
    gloss = _power(np.maximum(0.0, 1.0 - (across + 0.45) * (across + 0.45) * 5.0), 1)
    light = np.where(lid, 1.12, 0.30 + 0.72 * lambert)
    return Surface(lid | wall, light, np.where(lid, 0.0, gloss))


def cube(u: Field, v: Field) -> Surface:
    """A cube seen a little from above and from the right: front, lid and shaded right side."""
    left, edge, right, rise, front = -1.08, 0.62, 1.08, 0.42, 1.60
    slant = (u - edge) * (rise / (right - edge))
    is_front = (u >= left) & (u <= edge) & (v >= 0.0) & (v <= front)
    is_side = (u > edge) & (u <= right) & (v >= slant) & (v <= front + slant)
    shift = (v - front) * ((right - edge) / rise)
    is_lid = (v > front) & (v <= front + rise) & (u >= left + shift) & (u <= edge + shift)
    light = np.where(is_lid, 1.15, np.where(is_side, 0.42, 0.74))
    gloss = np.where(is_front, _spot(u, v, (-0.60, 1.12), 0.42), 0.0)
    return Surface(is_front | is_side | is_lid, light, gloss)


SURFACES = {"sphere": sphere, "cylinder": cylinder, "cube": cube}
