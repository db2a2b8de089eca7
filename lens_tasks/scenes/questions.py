"""What can be asked about a scene, independent of the language it is asked in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lens_tasks.scenes.world import Solid

FAMILIES: Final = ("exist", "count", "compare_integer", "compare_attribute", "query_attribute")
"""CLEVR's question families."""

COMPARISONS: Final = ("equal", "greater", "less")


@dataclass(frozen=True)
class Noun:
    """A description of solids by attributes; None leaves an attribute open."""

    size: str | None = None
    color: str | None = None
    material: str | None = None
    shape: str | None = None

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The given attributes as (name, value), in CLEVR's order size, color, material, shape."""
        named = (("size", self.size), ("color", self.color), ("material", self.material), ("shape", self.shape))
        return tuple((name, value) for name, value in named if value is not None)

    def fits(self, solid: Solid) -> bool:
        """Whether a solid has every given attribute."""
        return all(solid.value(name) == value for name, value in self.pairs())


@dataclass(frozen=True)
class Phrase:
    """A noun, seen from an anchor: ``red cubes left of the sphere`` or ``things with the anchor's color``.

    ``link`` is one of world.RELATIONS, or ``same_`` and an attribute name, or None without an anchor.
    The anchor is itself a phrase that fits exactly one solid.
    """

    noun: Noun
    link: str | None = None
    anchor: Phrase | None = None

    @property
    def shared(self) -> str | None:
        """The attribute that is the anchor's, for the links that begin with ``same_``."""
        return self.link.removeprefix("same_") if self.link is not None and self.link.startswith("same_") else None


@dataclass(frozen=True)
class Question:
    """A family of FAMILIES with its one or two phrases.

    ``detail`` is the attribute (query_attribute, compare_attribute) or one of COMPARISONS
    (compare_integer), and empty otherwise.
    """

    family: str
    phrases: tuple[Phrase, ...]
    detail: str = ""
