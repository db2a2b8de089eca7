"""DeCo: dynamic correction by the layer that is surest of a likely token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .model_output import LogitIntervention, some_layers

__all__ = ["Deco"]


@dataclass(frozen=True)
class Deco(LogitIntervention):
    """z_N + strength * p_l(c) * z_l among the tokens that are likely in the end; the others are never said.

    Wang et al., arXiv:2410.11779: the likely tokens C are the `top_k` likeliest of the last layer as far as their mass
    reaches `top_p`; (l, c) = argmax over `layers_of` and C of p_l(c). The authors' layers 20 to 28 of 32 are, by share,
    the default; layers are read through the final norm.

    Costs the head once for each of the layers at each generated token.

    Attributes:
        strength: the authors' 0.6.
        layers_of: numbers such as 20-28; empty for those at 20/32 to 28/32 of the model's depth.
        top_p, top_k: the authors' 0.9 and 20.
    """

    name: ClassVar[str] = "deco"
    strength: float = 0.6
    layers_of: str = ""
    top_p: float = 0.9
    top_k: int = 20

    def layers(self, n_layers: int) -> tuple[int, ...]:
        """See `LogitIntervention`."""
        first, last = (max(1, round(n_layers * share / 32)) for share in (20, 28))
        return some_layers(self.layers_of or f"{first}-{min(last, n_layers - 1)}", n_layers, self.name)

    def logits(self, final: Tensor, early: Tensor) -> Tensor:
        """See `LogitIntervention`."""
        likely = self._likely(final)
        p = torch.softmax(early, -1).masked_fill(~likely, 0.0)
        sure = p.amax(-1)  # [layers, rows, positions]
        layer = sure.argmax(0)[None, ..., None]
        chosen = early.gather(0, layer.expand(1, *final.shape))[0]
        weight = sure.gather(0, layer[..., 0])[0][..., None]
        return final + self.strength * weight * chosen

    def never(self, final: Tensor) -> Tensor:
        """See `LogitIntervention`."""
        return ~self._likely(final)

    def _likely(self, final: Tensor) -> Tensor:
        """bool `[rows, positions, V]`: the tokens C; the likeliest is always among them."""
        top = torch.topk(torch.softmax(final, -1), min(self.top_k, final.shape[-1]))
        before = top.values.cumsum(-1) - top.values
        return torch.zeros_like(final, dtype=torch.bool).scatter(-1, top.indices, before < self.top_p)
