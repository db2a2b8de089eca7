"""The table of exceptions: architectures whose layout transformers' accessors do not give, or that are refused."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REFUSED", "LayoutRule", "add_layout_rule", "layout_rule"]


@dataclass(frozen=True)
class LayoutRule:
    """What the general search cannot know about an architecture.

    Attributes:
        layers: dotted path from the model to the list of decoder blocks.
        norm: dotted path from the model to what stands between the last layer and the head; "" for nothing.
        head: dotted path from the model to the output embedding.
        interleaved: blocks outside the list of layers change the residual stream between them.
    """

    layers: str | None = None
    norm: str | None = None
    head: str | None = None
    interleaved: bool = False


_RULES: dict[str, LayoutRule] = {
    # gated cross-attention blocks stand in a list of their own and run before every n-th layer
    "idefics": LayoutRule(interleaved=True),
    "blip": LayoutRule(layers="text_decoder.bert.encoder.layer"),
    # its blocks end normed, and the head reads them as they are
    "git": LayoutRule(layers="git.encoder.layer", norm=""),
    "pix2struct": LayoutRule(layers="decoder.layer"),
}

REFUSED: dict[str, str] = {
    "diffusion_gemma": (
        "it denoises a block of tokens together (DiffusionGemmaForBlockDiffusion): the logits at a position are those "
        "of its own token, again at every denoising step, so there is no position that predicts the next token. There "
        "is no setting that helps."
    ),
    "gemma3n": (
        "its layers carry four parallel streams (AltUp), so no single residual vector is what the final norm reads. "
        "There is no setting that helps."
    ),
    "pi0": (
        "it is a robot policy: PI0ForConditionalGeneration takes a robot's state and gives its actions, it has no "
        "generate() and no next-token logits. There is no setting that helps."
    ),
}
"""model_type -> why the lens does not read it."""


def layout_rule(model_type: str) -> LayoutRule | None:
    """The exception for a `config.model_type`, or None where the general search is right."""
    return _RULES.get(model_type)


def add_layout_rule(model_type: str, rule: LayoutRule) -> None:
    """Teach the lens where the parts of an architecture are; every model of the type is still proven when it is loaded.

    Args:
        model_type: `config.model_type` of the architecture.
        rule: where its parts are; what it leaves out is searched for.
    """
    _RULES[model_type] = rule
