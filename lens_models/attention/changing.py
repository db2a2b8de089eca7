"""Change the attention scores of some positions, and prove at each call that nothing else is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lens_models.errors import LensArgumentError
from lens_models.memory import is_out_of_memory
from lens_models.parts import ModelParts

from .observing import AttentionCall, ScoreChange, attention_watched
from .proof import output_excess, self_attention, weighted_values
from .weights import last_weights

__all__ = ["attention_changed"]


@contextmanager
def attention_changed(parts: ModelParts, change: ScoreChange) -> Iterator[None]:
    """While this lasts, the scores of the positions that `change` names are what it makes of them.

    The model's attention function runs as it is; the rows of the output that are changed are then computed anew from
    its queries, keys and values. At each of them the unchanged row is computed too, and must be what the function
    returned within the rounding of its dtype. That is looked at in the end, so that no step waits for the device.

    Raises:
        LensArgumentError: at the end, where a row is not; while the model runs, where one cannot be computed.
    """
    excess: dict[int, Tensor] = {}

    def handle(call: AttentionCall, found: Any) -> Any:
        backs = change.backs(call) if self_attention(call) else ()
        if not len(backs):
            return found
        output = call.output.clone()
        weights = found[1].clone() if isinstance(found, tuple) and isinstance(found[1], Tensor) else None
        for back in backs:
            row = _until(call, back)
            own = _excess(parts, row)
            excess[call.layer] = torch.maximum(own, excess.get(call.layer, own))
            new = last_weights(replace(row, changes=(*row.changes, _Always(change))))
            output[:, -1 - back] = weighted_values(row, new).to(output.dtype)
            if weights is not None:
                weights[:, :, -1 - back, : new.shape[-1]] = new.to(weights.dtype)
        return (output, weights, *found[2:]) if isinstance(found, tuple) else output

    with attention_watched(parts, handle, change):
        yield
    _require_exact(parts, excess)


@dataclass(frozen=True)
class _Always:
    """A change at the last position, whichever one of the whole call it is."""

    change: ScoreChange

    def backs(self, call: AttentionCall) -> tuple[int, ...]:
        return (0,)

    def scores(self, call: AttentionCall, scores: Tensor) -> Tensor:
        return self.change.scores(call, scores)


def _until(call: AttentionCall, back: int) -> AttentionCall:
    """The call as if the last `back` positions were not there; keys end where queries do."""
    changes = tuple(_Always(each) for each in call.changes if back in each.backs(call))
    if not back:
        return replace(call, changes=changes)
    mask, bias = call.mask, call.settings.get("position_bias")
    if isinstance(mask, Tensor):
        mask = mask[:, :, :-back, :-back] if mask.dim() == 4 else mask[:, :-back]
    return replace(
        call,
        query=call.query[:, :, :-back],
        key=call.key[:, :, :-back],
        value=call.value[:, :, :-back],
        mask=mask,
        settings={**call.settings, **({} if bias is None else {"position_bias": bias[..., :-back, :-back]})},
        output=call.output[:, :-back],
        changes=changes,
    )


def _excess(parts: ModelParts, row: AttentionCall) -> Tensor:
    try:
        return output_excess(row, last_weights(row))
    except (ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise LensArgumentError(_cannot(parts, row.layer, str(error))) from error


def _require_exact(parts: ModelParts, excess: Mapping[int, Tensor]) -> None:
    for layer, largest in excess.items():
        if not float(largest) <= 1:
            raise LensArgumentError(
                _cannot(
                    parts, layer, f"weights times values differ from its output by {largest:.1f} times its rounding"
                )
            )


def _cannot(parts: ModelParts, layer: int, why: str) -> str:
    return f"layer {layer}: the attention of {parts.model_class} cannot be changed: {why}; leave the intervention out"
