"""Prove that recomputed attention weights are those that a model uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lens_models.parts import ModelParts
from lens_models.placement import sharers

from .observing import AttentionCall, attention_observed
from .weights import allowed_and_bias, last_weights

__all__ = ["AttentionReport", "output_excess", "prove_attention", "self_attention", "weighted_values"]

EXACT, REFUSED = "exact", "refused"
_FP32 = 2.0**-24


@dataclass(frozen=True)
class AttentionReport:
    """Whether the attention of a model can be read.

    Attributes:
        status: `exact` or `refused`.
        reason: why it is refused; empty otherwise.
        layers: the blocks whose attention was seen; others have none (linear attention, state space, cross-attention).
        deviation: largest difference of a weight from the model's own plain implementation in fp32; None where the
            model does not say which it is.
        output_deviation: largest difference of weights times values from what the attention function returned, as a
            share of the largest value of its row.
    """

    status: str
    reason: str = ""
    layers: tuple[int, ...] = ()
    deviation: float | None = None
    output_deviation: float | None = None


@torch.inference_mode()
def prove_attention(model: nn.Module, parts: ModelParts, inputs: Mapping[str, Any]) -> AttentionReport:
    """Run the model once and check the weights of its last position at every layer that attends.

    The weights times the values must be what the attention function returned, within the rounding of its dtype: then
    they are the ones in use, with their mask, window, cap and sink. They must equal those of the model's own plain
    ("eager") function on the same queries and keys in fp32. And the logits must be the same bit for bit as without
    looking. Heads that are split over processes are refused: a mean over one process's heads is none over all.
    """
    if (processes := max(getattr(model, "_tp_size", None) or 1, *map(sharers, parts.layers))) > 1:
        return AttentionReport(
            REFUSED, f"the heads of {parts.model_class} are split over {processes} processes, of which each has its own"
        )
    checked: dict[int, tuple[float, float | None]] = {}
    problems: list[str] = []

    def check(call: AttentionCall) -> None:
        if not self_attention(call) or call.layer in checked or problems:
            return
        try:
            weights = last_weights(call)
            checked[call.layer] = (float(output_excess(call, weights)), _eager_deviation(call, weights))
        except Exception as error:  # whatever form of call it is: it is not read
            problems.append(f"layer {call.layer}: {type(error).__name__}: {error}")

    plain = model(**inputs).logits
    with attention_observed(parts, check):
        observed = model(**inputs).logits
    return _verdict(parts, checked, problems, bool(torch.equal(plain, observed)))


def _verdict(
    parts: ModelParts, checked: Mapping[int, tuple[float, float | None]], problems: list[str], unchanged: bool
) -> AttentionReport:
    layers = tuple(sorted(checked))
    eager = [own for _, own in checked.values() if own is not None]
    worst = max((excess for excess, _ in checked.values()), default=None)
    deviation = max(eager, default=None)
    report = AttentionReport(EXACT, "", layers, deviation, worst)
    why = None
    if problems:
        why = problems[0]
    elif not checked:
        why = f"{parts.model_class} does not call its attention through transformers' attention functions"
    elif not unchanged:
        why = "looking at the attention changed the logits"
    elif worst is not None and worst > 1:
        layer = max(checked, key=lambda each: checked[each][0])
        why = (
            f"layer {layer}: weights times values differ from the attention's output by {worst:.1f} times its rounding"
        )
    elif deviation is not None and deviation > 64 * _FP32:
        why = f"the weights differ by {deviation:.1e} from the model's own plain attention"
    return report if why is None else AttentionReport(REFUSED, why, layers, deviation, worst)


def self_attention(call: AttentionCall) -> bool:
    """Whether a call is over the sequence itself, and not over pictures or an encoder's output."""
    if "cross" in type(call.module).__name__.lower() or getattr(call.module, "is_cross_attention", False):
        return False
    return call.key.shape[2] >= call.query.shape[2]


def output_excess(call: AttentionCall, weights: Tensor) -> Tensor:
    """Largest difference of weights times values from the function's output, in units of what rounding allows; `[]`."""
    expected = weighted_values(call, weights)
    found = call.output[:, -1].float().reshape(expected.shape)
    # scores may be rounded in the dtype of queries and keys, weights and outputs in that of the values
    scores = torch.einsum("rhd,rgtd->rhgt", call.query[:, :, -1].float(), call.key.float()).abs().amax()
    scaling = call.settings.get("scaling") or call.query.shape[-1] ** -0.5
    allowed = torch.finfo(call.output.dtype).eps * (2 + 2 * scores * scaling) * call.value.float().abs().amax()
    excess: Tensor = (found - expected).abs().amax() / allowed.clamp_min(1e-30)
    return excess


def weighted_values(call: AttentionCall, weights: Tensor) -> Tensor:
    """`[rows, heads, d_v]`, fp32: what weights `[rows, heads, context]` make of the values."""
    rows, heads, context = weights.shape
    value = call.value.float()
    grouped = weights.reshape(rows, value.shape[1], heads // value.shape[1], context)
    return torch.einsum("rgqt,rgtd->rgqd", grouped, value).reshape(rows, heads, -1)


def _eager_deviation(call: AttentionCall, weights: Tensor) -> float | None:
    """Largest difference from the model's own plain function, in fp32, of the last position alone."""
    if call.eager is None:
        return None
    allowed, bias = allowed_and_bias(call)
    mask = torch.zeros(weights.shape[0], 1, 1, weights.shape[-1], device=weights.device)
    if bias is not None:
        mask = mask + bias[:, :, None]
    if allowed is not None:
        mask = mask.masked_fill(~allowed[:, :, None], torch.finfo(mask.dtype).min)
    settings = {name: value for name, value in call.settings.items() if name not in ("position_bias", "dropout")}
    query, key, value = call.query[:, :, -1:].float(), call.key.float(), call.value.float()
    theirs = call.eager(call.module, query, key, value, mask, dropout=0.0, **settings)[1]
    if theirs is None:
        return None
    return float((theirs[:, :, -1].float() - weights).abs().max())
