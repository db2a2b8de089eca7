"""The tokens that a readout looks at: the answer given, the candidates, the gold answer, the pivots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import distributions as dist

__all__ = ["Columns", "ReadoutRow", "TokenColumns", "row_tokens", "token_columns", "token_quantities"]


@dataclass(frozen=True)
class ReadoutRow:
    """One position to read.

    Attributes:
        residual: `[layers, d]`, the last entry being the last decoder block, or what the lens of a backend knows it by.
        token_id: the token that the model gave at this position.
        candidates: token ids of each candidate's surface variants, pooled by logsumexp; may be empty.
        gold: token ids of the gold answer's surface variants; empty when unknown.
        pivots: like `candidates`, a second set read beside them.
        batch: rows that follow each other and have one number go through the head in one product. What is read of a
            batch is the same bit for bit, whatever other batches are read beside it.
    """

    residual: Any
    token_id: int
    candidates: tuple[tuple[int, ...], ...] = ()
    gold: tuple[int, ...] = ()
    pivots: tuple[tuple[int, ...], ...] = ()
    batch: int = 0


def row_tokens(row: ReadoutRow) -> Iterator[int]:
    """The token ids of a row in the order of the columns: answer, gold, candidates, pivots."""
    yield row.token_id
    yield from row.gold
    for group in (*row.candidates, *row.pivots):
        yield from group


@dataclass(frozen=True)
class TokenColumns:
    """The tokens of a group of rows, padded to the longest: `ids` `[samples, M]`, `gold` `[samples, M]` marks gold."""

    ids: Tensor
    gold: Tensor

    @classmethod
    def of(cls, rows: Sequence[ReadoutRow], device: torch.device) -> TokenColumns:
        """The columns of the rows, on the device where their logits will be."""
        tokens = [list(row_tokens(row)) for row in rows]
        width = max(map(len, tokens))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in tokens])
        gold = torch.tensor([[0 < column <= len(row.gold) for column in range(width)] for row in rows])
        return cls(ids.to(device), gold.to(device))

    def part(self, samples: slice) -> TokenColumns:
        """The columns of some of the rows."""
        return TokenColumns(self.ids[samples], self.gold[samples])

    def gather(self, logits: Tensor) -> Tensor:
        """`[layers, samples, V]` -> `[layers, samples, M]`."""
        return logits.gather(-1, self.ids.expand(logits.shape[0], -1, -1))

    def ranks(self, logits: Tensor, token_logits: Tensor) -> dict[str, Tensor]:
        """Ranks `[layers, samples]` of the answer and of the best gold token; without gold the latter means nothing."""
        best_gold = token_logits.masked_fill(~self.gold, -math.inf).amax(-1)
        return {
            "rank_pred": dist.rank_among(logits, token_logits[..., 0]),
            "rank_gold": dist.rank_among(logits, best_gold),
        }


@dataclass(frozen=True)
class Columns:
    """In which columns the tokens of a row stand, in the order of `row_tokens`; column 0 is the answer given."""

    gold: range
    candidates: tuple[range, ...]
    pivots: tuple[range, ...]


def token_columns(row: ReadoutRow) -> Columns:
    """The columns of a row."""
    start = 1
    ranges: list[range] = []
    for group in (row.gold, *row.candidates, *row.pivots):
        ranges.append(range(start, start + len(group)))
        start += len(group)
    after = 1 + len(row.candidates)
    return Columns(ranges[0], tuple(ranges[1:after]), tuple(ranges[after:]))


def token_quantities(token_logits: Tensor, energy: Tensor, columns: Columns) -> dict[str, Tensor]:
    """Log-probabilities and pooled scores of the tokens of samples, all with the same columns.

    Args:
        token_logits: `[layers, samples, M]`, fp32.
        energy: `[layers, samples]`, minus the logsumexp of all logits.
        columns: where their tokens stand.
    """
    scores = dist.pooled_logits(token_logits, columns.candidates)
    distinct = torch.log_softmax(scores, -1) if columns.candidates else scores
    out = {
        "logprob_pred": token_logits[..., 0] + energy,
        "cand_scores": scores,
        "cand_mass": (scores + energy.unsqueeze(-1)).exp().sum(-1),
        "cand_entropy": dist.entropy(distinct),
        "pivot_scores": dist.pooled_logits(token_logits, columns.pivots),
    }
    if columns.gold:
        out["logprob_gold"] = dist.pooled_logits(token_logits, [columns.gold]).squeeze(-1) + energy
    return out
