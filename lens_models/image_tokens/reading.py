"""What the image tokens say through the logit lens: the probability of words at every image token and layer."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lens_models import distributions as dist

__all__ = ["LEVELS", "ImageReadout", "UnembedsRows", "read_image_tokens"]

Floats = npt.NDArray[np.float32]

LEVELS = 255
"""Steps of a stored map between 0 and its largest value."""
_WHOLE = 2**25
"""Logits that are all computed, whatever they say."""
_CHUNK = 32
_MOST_ROWS = 32
_DRAWN = 2048
_SAMPLED_A_LAYER = 2
_STRONGEST = 16
_SURE = 4.0
"""Standard errors by which an estimate must lie below the maximum to be left alone."""


@dataclass(frozen=True)
class ImageReadout:
    """What the image tokens of one prompt say of some words.

    Attributes:
        maps: `[words, layers, tokens]`: the probability of the word at each token. Their maximum is the internal
            confidence of arXiv:2410.02762.
        rank: `[words, layers]`, int64: place of the word's best token in the vocabulary where it is likeliest, from 1;
            0 in layers where that place was not computed from all logits.
        exact: `[layers, tokens]`: whether the values of a place were computed from the logits of the whole vocabulary.
        error: the largest relative standard error of the other ones; 0 where there are none.
    """

    maps: Floats
    rank: npt.NDArray[np.int64]
    exact: npt.NDArray[np.bool_]
    error: float


class UnembedsRows(Protocol):
    """Norm and head apart; `lens_models.unembed.Unembedding` has them for models of transformers."""

    @property
    def vocab_size(self) -> int:
        """Number of logits."""

    def normed(self, flat: Tensor) -> Tensor:
        """What goes into the head, of rows `[rows, d]` of the residual stream."""

    def of_normed(self, normed: Tensor) -> Tensor:
        """All logits `[rows, V]`, fp32, of what goes into the head."""

    def columns(self, normed: Tensor, ids: Tensor) -> Tensor:
        """Some of those logits, `[rows, ids]`."""


@torch.inference_mode()
def read_image_tokens(
    unembed: UnembedsRows, residual: Tensor, words: Sequence[Sequence[int]], *, whole: bool = False
) -> ImageReadout:
    """Probabilities of words at image tokens: softmax(unembed(norm(h_l(v_i)))), summed over a word's tokens.

    The numerator needs few logits, the normaliser those of the whole vocabulary, which at every image token and layer
    cost more than the model's own run. So it is estimated: exactly over the tokens that are strong at some image tokens
    of this very sample, and by a fixed random part of the vocabulary over the rest, which gives its standard error too.
    Where a word may be likeliest all logits are computed, at up to 32 places: unless a map is flat there, its maximum
    is exact.

    Args:
        unembed: norm and head of the model.
        residual: `[layers, tokens, d]` before the final norm.
        words: the token ids that stand for each word, at least one each.
        whole: compute everything.

    Raises:
        ValueError: no word, or a word without tokens.
    """
    if not words or not all(words):
        raise ValueError(f"words={[list(word) for word in words]}; expected at least one token id for each")
    layers, tokens, _ = residual.shape
    reading = _Reading(unembed, unembed.normed(residual.reshape(layers * tokens, -1)), words, layers)
    if whole or layers * tokens * unembed.vocab_size <= _WHOLE:
        reading.evaluate(torch.arange(layers * tokens, device=reading.normed.device))
    else:
        reading.estimate()
        reading.evaluate_the_largest()
    return reading.result()


@functools.lru_cache(maxsize=4)
def _order(vocab_size: int) -> Tensor:
    """The vocabulary in an order that is random, and the same in every run."""
    return torch.randperm(vocab_size, generator=torch.Generator().manual_seed(0))


class _Reading:
    """Rows are (layer, image token) pairs in that order."""

    def __init__(self, unembed: UnembedsRows, normed: Tensor, words: Sequence[Sequence[int]], layers: int) -> None:
        self.unembed, self.normed, self.layers = unembed, normed, layers
        device = normed.device
        self.ids = torch.tensor([token for word in words for token in word], device=device)
        ends = np.cumsum([len(word) for word in words])
        self.groups = [range(end - len(word), end) for end, word in zip(ends.tolist(), words, strict=True)]
        self.p = torch.zeros((len(normed), len(words)), device=device)
        self.rank = torch.zeros((len(normed), len(words)), dtype=torch.int64, device=device)
        self.exact = torch.zeros(len(normed), dtype=torch.bool, device=device)
        self.error = torch.zeros(len(normed), device=device)

    def evaluate(self, rows: Tensor) -> None:
        """Compute the probabilities of rows from all logits."""
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            logits = self.unembed.of_normed(self.normed[chunk])
            own = logits[:, self.ids]
            scores = dist.pooled_logits(own, self.groups)
            self.p[chunk] = (scores + dist.energy(logits).unsqueeze(-1)).exp()
            best = torch.stack([own[:, list(group)].amax(-1) for group in self.groups], dim=-1)
            self.rank[chunk] = torch.stack([dist.rank_among(logits, each) for each in best.unbind(-1)], dim=-1).long()
            self.exact[chunk] = True

    def estimate(self) -> None:
        """Fill in estimates of all rows, and the relative standard error of their normaliser."""
        strong = self._strong_tokens()
        drawn = self._drawn_tokens(strong)
        known, rest = (self.unembed.columns(self.normed, each) for each in (strong, drawn))
        # relative to the largest number of a row, so that nothing overflows
        top = torch.maximum(known.amax(-1), rest.amax(-1))[:, None]
        known, part = known.sub_(top).exp_(), rest.sub_(top).exp_()
        size, count, mean = self.unembed.vocab_size - len(strong), len(drawn), part.mean(-1)
        total = known.sum(-1) + size * mean
        own = known[:, torch.searchsorted(strong, self.ids)]
        self.p = torch.stack([own[:, each.start : each.stop].sum(-1) for each in self.groups], dim=-1) / total[:, None]
        # by the sum of squares: `std` takes five times as long, for digits that an error does not need
        squares = torch.linalg.vector_norm(part, dim=-1).square()
        variance = (squares - count * mean.square()).clamp_min(0.0) / max(1, count - 1)
        self.error = size * (variance / count).sqrt() / total

    def evaluate_the_largest(self) -> None:
        """Compute the rows that may hold the largest value of a word, the likeliest first and at most `_MOST_ROWS`."""
        for _ in range(_MOST_ROWS // _CHUNK):
            hopes = (self.p * (1 + _SURE * self.error[:, None])).masked_fill(self.exact[:, None], -1.0)
            largest = self.p.masked_fill(~self.exact[:, None], 0.0).amax(0)
            promise = torch.where(hopes > largest, hopes / hopes.amax(0).clamp_min(1e-30), -1.0).amax(-1)
            rows = torch.topk(promise, min(_CHUNK, len(promise))).indices
            rows = rows[promise[rows] > 0]
            if not len(rows):
                return
            self.evaluate(rows)

    def _strong_tokens(self) -> Tensor:
        """The likeliest tokens at some image tokens of each layer, and the words' own, in rising order."""
        each = len(self.normed) // self.layers
        steps = torch.linspace(0, each - 1, min(_SAMPLED_A_LAYER, each), device=self.normed.device).long()
        rows = (torch.arange(self.layers, device=self.normed.device)[:, None] * each + steps).flatten()
        top = torch.topk(self.unembed.of_normed(self.normed[rows]), min(_STRONGEST, self.unembed.vocab_size)).indices
        return torch.unique(torch.cat([self.ids, top.flatten()]))  # type: ignore[no-any-return]

    def _drawn_tokens(self, strong: Tensor) -> Tensor:
        """A part of the other tokens, the same in every run."""
        order = _order(self.unembed.vocab_size)[: _DRAWN + len(strong)]
        other = torch.ones(self.unembed.vocab_size, dtype=torch.bool)
        other[strong.cpu()] = False
        return order[other[order]][:_DRAWN].to(self.normed.device)

    def result(self) -> ImageReadout:
        """The probabilities by word and layer."""
        shape = (self.layers, -1, len(self.groups))
        maps = self.p.reshape(shape)
        best = maps.max(dim=1)
        rank = self.rank.reshape(shape).gather(1, best.indices.unsqueeze(1)).squeeze(1)
        left = self.error[~self.exact]
        return ImageReadout(
            maps.permute(2, 0, 1).float().cpu().numpy(),
            rank.t().cpu().numpy(),
            self.exact.reshape(self.layers, -1).cpu().numpy(),
            float(left.max()) if len(left) else 0.0,
        )
