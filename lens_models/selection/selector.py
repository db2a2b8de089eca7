"""A learnt score of each image token, given the residual of a position that looks for something."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from lens_models.lenses.affine import content_digest

__all__ = ["ANSWER", "STEPS", "Selector", "scores_of", "unit"]

ANSWER, STEPS = "answer", "steps"
"""Whose residual a selector reads: of the position that predicts the answer, or of the last token of a written step."""


@dataclass(frozen=True)
class Selector:
    """s_i = (W_q h)ᵀ (W_k v_i) / √rank + b, with h and v_i the residuals of one layer, each divided by its root mean
    square.

    The model is frozen and h is no query of its attention: what is learnt is which image tokens a position is about,
    not what the model looks at there. sigmoid(s_i) estimates how much of the token lies in what is asked about.

    Attributes:
        layer: 1 to L; h and v are outputs of that block, before the final norm.
        query: W_q `[rank, d]`.
        key: W_k `[rank, d]`.
        bias: b `[1]`.
        trained_on: in words.
        at: `ANSWER` or `STEPS`: of which positions h was when it was learnt; of others it says nothing.
    """

    layer: int
    query: Tensor = field(repr=False)
    key: Tensor = field(repr=False)
    bias: Tensor = field(repr=False)
    trained_on: str = ""
    at: str = ANSWER

    def __call__(self, step: Tensor, tokens: Tensor) -> Tensor:
        """Scores `[..., tokens]`, fp32.

        Args:
            step: h `[..., d]`.
            tokens: v `[..., tokens, d]` on the same device.
        """
        query, key, bias = (each.to(tokens.device, torch.float32) for each in (self.query, self.key, self.bias))
        return scores_of(query, key, bias, step, tokens)

    def tensors(self) -> dict[str, Tensor]:
        """Name in the file -> tensor."""
        return {"query": self.query, "key": self.key, "bias": self.bias}

    @cached_property
    def digest(self) -> str:
        """Of the layer, the numbers, and the positions where these are not those that predict answers."""
        elsewhere = {} if self.at == ANSWER else {"at": torch.tensor(list(self.at.encode()))}
        return content_digest({**self.tensors(), "layer": torch.tensor([self.layer]), **elsewhere})


def scores_of(query: Tensor, key: Tensor, bias: Tensor, step: Tensor, tokens: Tensor) -> Tensor:
    """The formula of `Selector`; gradients go through it."""
    asked, offered = unit(step) @ query.T, unit(tokens) @ key.T
    found: Tensor = (offered @ asked.unsqueeze(-1)).squeeze(-1) / query.shape[0] ** 0.5 + bias
    return found


def unit(residual: Tensor) -> Tensor:
    """fp32, divided by the root mean square of the last axis; zeros stay."""
    wide = residual.float()
    return wide / wide.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-12)
