"""Lenses by name: how a layer's residual stream is turned into what the model's own unembedding reads.

A new lens is a function or class and one line in `LENSES`; docs/adding-a-lens.md shows one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from .errors import IdentityError
from .parts import ModelParts
from .placement import compute_device

__all__ = ["LENSES", "Lens", "logit_lens", "require_last_layer"]


class Lens(Protocol):
    """A map of the residual stream of each layer into that of the last one."""

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


def _plain(parts: ModelParts) -> Lens:
    return logit_lens


LENSES: dict[str, Callable[[ModelParts], Lens]] = {"logit": _plain}
"""Name in `lens_kind` -> what makes the lens of a model."""


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
