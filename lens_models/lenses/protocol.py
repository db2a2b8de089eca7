"""What a lens is, and that it leaves the last layer alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from lens_models.errors import IdentityError
from lens_models.parts import ModelParts
from lens_models.placement import compute_device

__all__ = ["Lens", "logit_lens", "require_last_layer", "told_of"]


class Lens(Protocol):
    """A map of the residual stream of each layer into that of the last one.

    A lens that learnt something has a method `told` besides: JSON values by name that say what, its digest among them,
    for the fingerprint. One that maps image tokens in another way than text has an attribute `images`, a lens too.
    """

    def __call__(self, residual: Tensor, layer_index: Sequence[int]) -> Tensor:
        """What the final norm is given in place of the residual, `[layers, ..., d]` of the same shape and dtype.

        The last layer L must stay as it is: its readout is the model's own logits.

        Args:
            residual: `[layers, ..., d]`, before the final norm.
            layer_index: the number of each layer, rising; 0 is the embedding output.
        """


def logit_lens(residual: Tensor, layer_index: Sequence[int]) -> Tensor:
    """Each layer as it is (nostalgebraist, "interpreting GPT: the logit lens", 2020)."""
    return residual


def told_of(lens: Lens) -> Mapping[str, Any]:
    """What a lens says that it learnt; nothing of one that learnt nothing."""
    told = getattr(lens, "told", None)
    return {} if told is None else told()


def require_last_layer(name: str, lens: Lens, parts: ModelParts, layer_index: Sequence[int]) -> None:
    """Refuse a lens that changes the last layer of a residual `[layers, d]`.

    Raises:
        IdentityError: it does, or it changes the shape or dtype.
    """
    weight = next(parts.layers[-1].parameters())
    dtype = weight.dtype if weight.dtype.is_floating_point else torch.float32  # quantised weights
    row = torch.linspace(-1.0, 1.0, parts.hidden_size, device=compute_device(parts.layers[-1])).to(dtype)
    residual = row.expand(len(layer_index), -1).clone()
    found = lens(residual, layer_index)
    if found.shape != residual.shape or found.dtype != residual.dtype:
        raise IdentityError(
            f"the lens '{name}' made {found.dtype} {tuple(found.shape)} of residuals {residual.dtype} "
            f"{tuple(residual.shape)}; expected the same shape and dtype"
        )
    if not bool((found[-1] == residual[-1]).all()):
        raise IdentityError(
            f"the lens '{name}' changes the last layer, whose readout must be the model's own logits; leave layer "
            f"{layer_index[-1]} as it is"
        )
