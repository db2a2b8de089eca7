"""Which positions of a forward pass a probe keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["LAST", "Positions"]


@dataclass(frozen=True)
class Positions:
    """Positions of a sequence: chosen ones, or the last one, which predicts the next token.

    Attributes:
        chosen: `[rows, K]` places in the sequence of each row, negative ones from its end; None for the last position.
    """

    chosen: Tensor | None = field(default=None, repr=False)

    def of(self, hidden: Tensor) -> Tensor:
        """A copy of `[rows, sequence, d]` at the positions: `[rows, K, d]`, or `[rows, d]` of the last position.

        A slice would keep the whole `[rows, sequence, d]` alive, hence the copy.
        """
        if self.chosen is None:
            return hidden[:, -1].detach().clone()
        rows = torch.arange(hidden.shape[0], device=hidden.device).unsqueeze(1)
        return hidden.detach()[rows, self.chosen.to(hidden.device)]


LAST = Positions()
"""The last position alone."""
