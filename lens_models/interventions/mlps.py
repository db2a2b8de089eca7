"""The MLPs of a model's blocks, where interventions change what they add to the residual stream."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts

__all__ = ["mlps_of", "only_changed"]

_NAMES = ("mlp", "feed_forward", "feedforward", "ffn")


def mlps_of(parts: ModelParts, name: str) -> list[nn.Module]:
    """The MLP of each block, the first block's first.

    Raises:
        LensArgumentError: a block has none; says that the intervention `name` needs it.
    """
    found = []
    for number, layer in enumerate(parts.layers, 1):
        mlp = next((own for each in _NAMES if isinstance(own := getattr(layer, each, None), nn.Module)), None)
        if mlp is None:
            raise LensArgumentError(f"{name}: layer {number} of {parts.model_class} has none of {_NAMES}")
        found.append(mlp)
    return found


def only_changed(output: Any, layer: int, name: str, change: Any) -> Any:
    """What an MLP returned, with its hidden states `[rows, positions, d]` changed.

    Raises:
        LensArgumentError: it returned something else.
    """
    hidden, *rest = output if isinstance(output, tuple | list) else (output,)
    if not isinstance(hidden, Tensor) or hidden.dim() != 3:
        raise LensArgumentError(f"{name}: the MLP of layer {layer} gives {tuple(hidden.shape)}, not 3 axes")
    moved = change(hidden)
    return (moved, *rest) if isinstance(output, tuple | list) else moved
