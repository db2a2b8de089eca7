"""Where a solid lands in the picture, in pixels of the 64 x 64 image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lens_tasks.scenes.world import Solid

SIDE: Final = 64
"""Width and height of a picture in pixels."""

_RADIUS: Final = {"small": 4.4, "large": 7.6}


@dataclass(frozen=True)
class Placement:
    """Foot point, radius, how far the solid hangs above the floor, and its bounding box."""

    x: float
    foot: float
    radius: float
    lift: float
    shape: str

    @property
    def base(self) -> float:
        """Vertical pixel position of the solid's lowest point."""
        return self.foot - self.lift

    @property
    def half_width(self) -> float:
        """Half the width of the silhouette."""
        return {"sphere": 1.0, "cylinder": 0.82, "cube": 1.08}[self.shape] * self.radius

    @property
    def height(self) -> float:
        """Height of the silhouette."""
        return {"sphere": 2.0, "cylinder": 2.05, "cube": 2.02}[self.shape] * self.radius


def place(solid: Solid, floating: bool = False) -> Placement:
    """Project a solid: nearer ones stand lower in the picture and are a little larger."""
    depth = (solid.y + 1.0) / 2.0
    radius = _RADIUS[solid.size] * (0.86 + 0.24 * depth)
    foot = 24.0 + 36.0 * depth
    lift = solid.lift + (4.0 + 0.55 * radius if floating else 0.0)
    return Placement(x=32.0 + 30.0 * solid.x, foot=foot, radius=radius, lift=lift, shape=solid.shape)


def inside(solid: Solid) -> bool:
    """Whether the solid, standing or floating, and most of its shadow fit into the picture."""
    spot = place(solid, floating=True)
    left, right = spot.x - spot.half_width, spot.x + spot.half_width
    return left >= 1.0 and right <= SIDE - 1.0 and spot.base - spot.height >= 0.0 and spot.foot <= SIDE - 1.0


def apart(first: Solid, second: Solid) -> bool:
    """Whether two solids stand clear of each other and differ visibly in both directions."""
    one, two = place(first), place(second)
    if abs(one.x - two.x) < 2.5 or abs(one.foot - two.foot) < 1.5:
        return False
    reach = one.radius + two.radius
    across, along = (one.x - two.x) / reach, (one.foot - two.foot) / (0.45 * reach)
    return across * across + along * along >= 1.0
