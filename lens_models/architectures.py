"""The table of exceptions: architectures whose layout transformers' accessors do not tell, or that are refused."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REFUSED", "LayoutRule", "layout_rule"]


@dataclass(frozen=True)
class LayoutRule:
    """Where the decoder (dotted path from the model) and the final norm (name in the decoder) are."""

    decoder: str | None = None
    norm: str | None = None


_RULES: dict[str, LayoutRule] = {}

REFUSED: dict[str, str] = {
    "gemma3n": (
        "its layers carry four parallel streams (AltUp), so no single residual vector is what the final norm reads. "
        "There is no setting that helps."
    ),
}
"""model_type -> why the lens does not read it."""


def layout_rule(model_type: str) -> LayoutRule | None:
    """The exception for a `config.model_type`, or None where the general search is right."""
    return _RULES.get(model_type)
