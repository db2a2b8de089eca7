"""Is the attention of one model type read as the model computes it? Its own eager weights are the judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lens_models import LensError, find_parts
from lens_models.attention import AttentionCall, attention_observed, last_weights, prove_attention
from lens_models.attention.proof import self_attention

__all__ = ["TOLERANCE", "AttentionCheck", "AttentionError", "check_attention"]

TOLERANCE = 1e-5


class AttentionError(AssertionError):
    """Weights that passed the check at load are not the model's own."""


@dataclass(frozen=True)
class AttentionCheck:
    """What came of one model type.

    Attributes:
        status: `exact`, `refused` or `` (no parts).
        layers: how many blocks attend, of how many.
        deviation: largest difference of a weight from `output_attentions` of the same model with eager attention; None
            where the model gives none, so that only the check at load speaks for it.
        reason: why it is refused, or what was not compared.
    """

    status: str = ""
    layers: str = ""
    deviation: float | None = None
    reason: str = ""


def check_attention(model: Any, inputs: Mapping[str, Tensor]) -> AttentionCheck:
    """Prove as at load, then compare the weights of the model's usual implementation with its eager ones.

    Raises:
        AttentionError: they differ.
    """
    try:
        parts = find_parts(model)
    except LensError as error:
        return AttentionCheck(reason=str(error))
    report = prove_attention(model, parts, inputs)
    if report.status != "exact":
        return AttentionCheck("refused", reason=report.reason)
    layers = f"{len(report.layers)} of {parts.n_layers}"
    seen: dict[int, Tensor] = {}

    def see(call: AttentionCall) -> None:
        if self_attention(call) and call.layer not in seen:
            seen[call.layer] = last_weights(call)

    with torch.inference_mode(), attention_observed(parts, see):
        model(**inputs)
    try:
        theirs = _eager_weights(model, inputs)
    except Exception as error:  # what a class does when it is asked for its weights
        return AttentionCheck("exact", layers, None, f"its own weights: {type(error).__name__}: {str(error)[:160]}")
    deviation = _deviation(seen, theirs)
    if deviation is None:
        return AttentionCheck("exact", layers, None, "it gives no weights of its own to compare with")
    if deviation > TOLERANCE:
        raise AttentionError(f"{type(model).__name__}: attention weights off by {deviation:.1e}")
    return AttentionCheck("exact", layers, deviation)


@torch.inference_mode()
def _eager_weights(model: Any, inputs: Mapping[str, Tensor]) -> list[Tensor]:
    with _eager(model):
        output = model(**inputs, output_attentions=True)
    output = getattr(output, "language_model_outputs", None) or output  # BLIP-2 and InstructBLIP
    found = getattr(output, "decoder_attentions", None) or getattr(output, "attentions", None) or ()
    return [each[:, :, -1].float() for each in found if each is not None and each.dim() == 4]


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    own = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(own)


def _deviation(seen: Mapping[int, Tensor], theirs: list[Tensor]) -> float | None:
    """The largest difference, layer by layer; models list the weights of all blocks or of those that attend."""
    ours = [seen[layer] for layer in sorted(seen)]
    same = [each for each in theirs if any(each.shape == own.shape for own in ours)]
    if len(same) != len(ours):
        return None
    return max(float((a - b).abs().max()) for a, b in zip(ours, same, strict=True))
