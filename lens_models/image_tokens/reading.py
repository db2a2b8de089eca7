"""What the image tokens say through the logit lens: the probability of words at every image token and layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lens_models import distributions as dist
from lens_models.unembed import Unembedding

__all__ = ["LEVELS", "ImageReadout", "read_image_tokens"]

Floats = npt.NDArray[np.float32]

LEVELS = 255
"""Steps of a stored map between 0 and its largest value."""
_WHOLE = 2**25
"""Logits that are all computed without asking whether they matter."""
_CHUNK = 256
_SAMPLED_A_LAYER = 8
_STRONGEST = 32
_SLACK = 1.01
"""The bound and the value are products of different shapes, so each has rounding of its own."""


@dataclass(frozen=True)
class ImageReadout:
    """What the image tokens of one prompt say of some words.

    Attributes:
        maps: `[words, layers, tokens]`: the probability of the word at each token. Their maximum is the internal
            confidence of arXiv:2410.02762. Where `whole` is False, values under half a step (1 / (2 * `LEVELS`)) of
            the word's largest one may be 0 instead.
        rank: `[words, layers]`, int64: place in the vocabulary of the word's best token where it is likeliest, from 1;
            0 in layers where all of `maps` was left at 0.
        whole: every value of `maps` was computed.
        evaluated: share of the (layer, token) pairs whose logits were all computed.
    """

    maps: Floats
    rank: npt.NDArray[np.int64]
    whole: bool
    evaluated: float


@torch.inference_mode()
def read_image_tokens(
    unembed: Unembedding, residual: Tensor, words: Sequence[Sequence[int]], *, whole: bool = False
) -> ImageReadout:
    """Probabilities of words at image tokens: softmax(unembed(norm(h_l(v_i)))), summed over a word's tokens.

    The normaliser of a probability needs the logits of the whole vocabulary, which at every image token and layer costs
    more than the model's own run. Most tokens say nothing of a word, so an upper bound decides where it is needed: the
    same numerator over the logits of few tokens, those that are strong at some image tokens of this very sample. What
    cannot be half a step of a stored map is not computed further; everything else is exact, the maximum with it.

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
    normed = unembed.normed(residual.reshape(layers * tokens, -1))
    reading = _Reading(unembed, normed, words, layers)
    if whole or layers * tokens * unembed.vocab_size <= _WHOLE:
        reading.evaluate(torch.arange(layers * tokens, device=normed.device))
    else:
        reading.evaluate_what_matters()
    return reading.result()


class _Reading:
    """Rows are (layer, image token) pairs in that order; `p` is NaN where a probability is not computed yet."""

    def __init__(self, unembed: Unembedding, normed: Tensor, words: Sequence[Sequence[int]], layers: int) -> None:
        self.unembed, self.normed, self.layers = unembed, normed, layers
        self.ids = torch.tensor([token for word in words for token in word], device=normed.device)
        ends = np.cumsum([len(word) for word in words])
        self.groups = [range(end - len(word), end) for end, word in zip(ends.tolist(), words, strict=True)]
        self.p = torch.full((len(normed), len(words)), torch.nan, device=normed.device)
        self.rank = torch.zeros((len(normed), len(words)), dtype=torch.int64, device=normed.device)

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

    def evaluate_what_matters(self) -> None:
        """Compute the rows that may hold half a step of a map."""
        scores = dist.pooled_logits(self.unembed.columns(self.normed, self.ids), self.groups)
        few = self.unembed.columns(self.normed, self._strong_tokens())
        bound = (scores - torch.logsumexp(few, -1, keepdim=True)).exp() * _SLACK
        while True:
            half_a_step = self.p.nan_to_num(0.0).amax(0) / (2 * LEVELS)
            open_ = self.p.isnan() & (bound >= half_a_step)
            promise = torch.where(open_, bound / bound.amax(0), -1.0).amax(-1)
            rows = torch.topk(promise, min(_CHUNK, len(promise))).indices
            rows = rows[promise[rows] >= 0]
            if not len(rows):
                return
            self.evaluate(rows)

    def _strong_tokens(self) -> Tensor:
        """The likeliest tokens at some image tokens of each layer, and the words' own."""
        each = len(self.normed) // self.layers
        steps = torch.linspace(0, each - 1, min(_SAMPLED_A_LAYER, each), device=self.normed.device).long()
        rows = (torch.arange(self.layers, device=self.normed.device)[:, None] * each + steps).flatten()
        top = torch.topk(self.unembed.of_normed(self.normed[rows]), min(_STRONGEST, self.unembed.vocab_size)).indices
        return torch.unique(torch.cat([self.ids, top.flatten()]))  # type: ignore[no-any-return]

    def result(self) -> ImageReadout:
        """The probabilities by word and layer; rows that were not computed are under half a step of every map."""
        shape = (self.layers, -1, len(self.groups))
        known = ~self.p.isnan().any(-1)
        maps = self.p.nan_to_num(0.0).reshape(shape)
        best = maps.max(dim=1)
        rank = self.rank.reshape(shape).gather(1, best.indices.unsqueeze(1)).squeeze(1)
        return ImageReadout(
            maps.permute(2, 0, 1).float().cpu().numpy(),
            rank.t().cpu().numpy(),
            bool(known.all()),
            float(known.float().mean()),
        )
