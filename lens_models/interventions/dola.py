"""DoLa: decoding by contrasting layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lens_models import distributions as dist

from .model_output import LogitIntervention, below, some_layers

__all__ = ["Dola"]


@dataclass(frozen=True)
class Dola(LogitIntervention):
    """log p_N - strength * log p_M, where M is the layer whose distribution is farthest from the last one's.

    Chuang et al., arXiv:2309.03883: M = argmax over `layers` of the Jensen-Shannon divergence of p_M and p_N; tokens
    below `cut` times the largest p_N are never said. Here the divergence is the true one (their published code averages
    a reversed Kullback-Leibler divergence), and layers are read through the final norm. Their repetition penalty is the
    harness's own setting.

    Costs the head once for each of `layers` at each generated token.

    Attributes:
        strength: 1 is the authors'.
        layers_of: `low` or `high`: every second layer of that half, or numbers such as 2-8.
        cut: the authors' 0.1.
    """

    name: ClassVar[str] = "dola"
    layers_of: str = "low"
    cut: float = 0.1

    def layers(self, n_layers: int) -> tuple[int, ...]:
        """See `LogitIntervention`."""
        return some_layers(self.layers_of, n_layers, self.name)

    def logits(self, final: Tensor, early: Tensor) -> Tensor:
        """See `LogitIntervention`."""
        logp, logp_early = torch.log_softmax(final, -1), torch.log_softmax(early, -1)
        apart = torch.stack([dist.jsd(each, logp) for each in logp_early])
        chosen = apart.argmax(0)[None, ..., None].expand(1, *final.shape)
        return logp - self.strength * logp_early.gather(0, chosen)[0]

    def never(self, final: Tensor) -> Tensor | None:
        """See `LogitIntervention`."""
        return below(final, self.cut)
