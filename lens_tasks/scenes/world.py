"""The little world: solids on a floor, lit from the upper left, and the ways a picture of it can be wrong.

Ground coordinates: ``x`` grows to the right, ``y`` grows towards the viewer; both lie in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SHAPES: Final = ("cube", "sphere", "cylinder")
COLOURS: Final = ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow")
SIZES: Final = ("small", "large")
MATERIALS: Final = ("rubber", "metal")

ATTRIBUTES: Final[dict[str, tuple[str, ...]]] = {
    "size": SIZES,
    "color": COLOURS,
    "material": MATERIALS,
    "shape": SHAPES,
}
"""Attribute name (CLEVR's spelling) to its values."""

RELATIONS: Final = ("left", "right", "front", "behind")

VIOLATIONS: Final = ("shadow_missing", "shadow_wrong_side", "floating", "lit_from_wrong_side")
"""The rules of this world that a strange scene can break."""


@dataclass(frozen=True)
class Solid:
    """One object. The attribute fields hold members of SIZES, COLOURS, MATERIALS and SHAPES.

    ``lift`` is how far it hangs above the floor, in pixels; its shadow stays on the floor.
    """

    size: str
    color: str
    material: str
    shape: str
    x: float
    y: float
    lift: float = 0.0

    def value(self, attribute: str) -> str:
        """Value of one of ATTRIBUTES; raises AttributeError for another name."""
        return str(getattr(self, attribute))

    @property
    def kind(self) -> tuple[str, str]:
        """Colour and shape, the object kind of the POPE questions."""
        return (self.color, self.shape)


@dataclass(frozen=True)
class Violation:
    """A broken rule (one of VIOLATIONS) and the indices of the solids that break it."""

    rule: str
    members: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """Ground truth of one picture. ``tone`` is the brightness of the floor around 1."""

    solids: tuple[Solid, ...]
    tone: float
    violation: Violation | None = None

    def rule_for(self, index: int) -> str | None:
        """The rule that solid ``index`` breaks, or None."""
        if self.violation is not None and index in self.violation.members:
            return self.violation.rule
        return None


def related(solid: Solid, other: Solid, relation: str) -> bool:
    """Whether ``other`` lies in direction ``relation`` (one of RELATIONS) of ``solid``."""
    if relation == "left":
        return other.x < solid.x
    if relation == "right":
        return other.x > solid.x
    if relation == "front":
        return other.y > solid.y
    if relation == "behind":
        return other.y < solid.y
    raise ValueError(f"unknown relation {relation!r}: expected one of {', '.join(RELATIONS)}")
