"""Which positions of a forward pass a probe keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["EVERY", "LAST", "Positions"]


@dataclass(frozen=True)
class Positions:
    """Positions of a sequence: chosen ones, every one, or the last one, which predicts the next token.

    Attributes:
        chosen: `[rows, K]` places in the sequence of each row, negative ones from its end; None for the last position.
        every: all of them, padding included.
    """

    chosen: Tensor | None = field(default=None, repr=False)
    every: bool = False

    def of(self, hidden: Tensor) -> Tensor:
        """A copy of `[rows, sequence, d]` at the positions: `[rows, K, d]`, or `[rows, d]` of the last position alone.

        A slice would keep the whole `[rows, sequence, d]` alive, hence the copy.
        """
        if self.every:
            return hidden.detach().clone()
        if self.chosen is None:
            return hidden[:, -1].detach().clone()
        rows = torch.arange(hidden.shape[0], device=hidden.device).unsqueeze(1)
        return hidden.detach()[rows, self.chosen.to(hidden.device)]


LAST = Positions()
"""The last position alone."""
EVERY = Positions(every=True)
"""All positions of each pass."""
