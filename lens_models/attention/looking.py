"""What the last position of a prompt attends to in one layer."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from lens_models.errors import CaptureError
from lens_models.parts import ModelParts

from .observing import AttentionCall, attention_observed
from .proof import self_attention
from .weights import last_weights

__all__ = ["last_attention"]


def last_attention(parts: ModelParts, layer: int, run: Callable[[], object]) -> Tensor:
    """`[rows, context]`, fp32, mean over the heads of a layer, in the first pass of a run.

    Raises:
        CaptureError: the layer did not attend.
    """
    found: list[Tensor] = []

    def see(call: AttentionCall) -> None:
        if call.layer == layer and not found and self_attention(call):
            found.append(last_weights(call).mean(1))

    with attention_observed(parts, see):
        run()
    if not found:
        raise CaptureError(f"layer {layer} did not attend in a run over a prompt")
    return found[0]
