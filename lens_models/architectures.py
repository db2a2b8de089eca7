"""The table of exceptions: architectures whose layout transformers' accessors do not tell, or that are refused."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REFUSED", "LayoutRule", "layout_rule"]


@dataclass(frozen=True)
class LayoutRule:
    """What the general search cannot know about an architecture.

    Attributes:
        decoder: dotted path from the model to the module that holds the list of layers.
        norm: dotted path from the model to what stands between the last layer and the head; "" for nothing.
        interleaved: blocks outside the list of layers change the residual stream between them.
    """

    decoder: str | None = None
    norm: str | None = None
    interleaved: bool = False


_RULES: dict[str, LayoutRule] = {
    # gated cross-attention blocks stand in a list of their own and run before every n-th layer
    "idefics": LayoutRule(interleaved=True),
    # BERT decoders: no final norm, and BLIP's head has a dense layer with a norm in front
    "blip": LayoutRule(decoder="text_decoder.bert.encoder", norm="text_decoder.cls.predictions.transform"),
    "git": LayoutRule(decoder="git.encoder", norm=""),
    "pix2struct": LayoutRule(decoder="decoder"),
}

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
