"""Early exit: what a model would say that stops at the first layer that is sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .model_output import LogitIntervention, some_layers

__all__ = ["EarlyExit"]


@dataclass(frozen=True)
class EarlyExit(LogitIntervention):
    """The logits of the first of `layers_of` whose likeliest token leads the second by `threshold` in probability.

    The softmax response of CALM (Schuster et al., arXiv:2207.07061), with one threshold for all steps, which is to be
    chosen on other samples. Every layer runs all the same: this tells what stopping would do to the answers, and saves
    nothing. The states of the layers that are left out do not come from the exit layer, as they would there.

    Costs the head once for each of the layers at each generated token.

    Attributes:
        strength: 1; a part of it mixes the logits of the exit layer and of the last one.
        layers_of: `low` or `high`: every second layer of that half, or numbers such as 2-8.
        threshold: 0 to 1.
    """

    name: ClassVar[str] = "early_exit"
    layers_of: str = "high"
    threshold: float = 0.9

    def layers(self, n_layers: int) -> tuple[int, ...]:
        """See `LogitIntervention`."""
        return some_layers(self.layers_of, n_layers, self.name)

    def logits(self, final: Tensor, early: Tensor) -> Tensor:
        """See `LogitIntervention`."""
        first, second = torch.topk(torch.softmax(early, -1), 2).values.unbind(-1)
        sure = first - second >= self.threshold  # [layers, rows, positions]
        # argmax gives the first of several that are alike, also in the lowest type
        layer = sure.to(torch.uint8).argmax(0)[None, ..., None].expand(1, *final.shape)
        exits = torch.where(sure.any(0)[..., None], early.gather(0, layer)[0], final)
        return self.strength * exits + (1 - self.strength) * final
