"""What a lens is learnt from: the residual stream of a run at all layers and positions, and what the positions are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .affine import IMAGE, TEXT
from .quality import ANSWER

__all__ = ["PADDING", "POSITION_KINDS", "UNKNOWN", "States", "pieces", "pooled"]

POSITION_KINDS = (TEXT, IMAGE, ANSWER)
UNKNOWN, PADDING = -1, -2
"""In place of a place in `POSITION_KINDS`: nobody knows what the position is; it is none."""


@dataclass(frozen=True)
class States:
    """One prompt and what the model answered.

    Attributes:
        residual: `[L + 1, positions, d]`, the model's dtype, before the final norm; layer 0 is the embedding output.
        kinds: `[positions]`, int64: the place in `POSITION_KINDS` of what each position is, or `UNKNOWN`.
        cluster: what it shares with prompts that are not independent of it: its picture.
    """

    residual: Tensor = field(repr=False)
    kinds: Tensor = field(repr=False)
    cluster: str

    def of_kind(self, kind: str) -> Tensor:
        """`[L + 1, positions of that kind, d]`."""
        return self.residual[:, self.kinds == POSITION_KINDS.index(kind)]


def pooled(batch: Sequence[States], kind: str, device: torch.device) -> Tensor:
    """`[L + 1, positions, d]`: the positions of one kind of all prompts."""
    return torch.cat([states.of_kind(kind) for states in batch], dim=1).to(device)


def pieces(count: int, vocabulary: int, limit: int) -> Iterator[slice]:
    """Slices of rows whose logits, with what is computed from them, stay within `limit` bytes."""
    size = max(1, limit // (4 * _ROWS * vocabulary))
    return (slice(start, start + size) for start in range(0, count, size))


_ROWS = 6
"""fp32 rows of the vocabulary that one position takes: logits, log-probabilities, their gradients, the last layer's."""
