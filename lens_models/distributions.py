"""Quantities of next-token distributions, as pure functions of logits.

The vocabulary is the last axis; all logarithms are natural, so entropies and divergences are in nats. A token of
probability zero (a logit of -inf) adds nothing. Formulas: Cover & Thomas, Elements of Information Theory (2006), ch. 2;
Lin (1991) for the Jensen-Shannon divergence; Liu et al. (2020), arXiv 2010.03759, for the energy.

Functions of log-probabilities take the probabilities too where the caller has them, so that none is computed twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["energy", "entropy", "jsd", "kl", "pooled_logits", "rank_among"]


def entropy(logp: Tensor, p: Tensor | None = None) -> Tensor:
    """Entropy H(p) = -sum p log p of log-probabilities `[..., V]`."""
    return _mean(logp.exp() if p is None else p, logp).neg_()


def energy(logits: Tensor) -> Tensor:
    """Energy -logsumexp(z) of logits `[..., V]`."""
    return torch.logsumexp(logits, dim=-1).neg_()


def kl(logp_reference: Tensor, logp: Tensor, p_reference: Tensor | None = None) -> Tensor:
    """KL(reference || p), `[..., V]` broadcast against `[..., V]`; inf where p is zero and the reference is not."""
    p_reference = logp_reference.exp() if p_reference is None else p_reference
    return _mean(p_reference, logp_reference - logp).clamp_min_(0.0)


def jsd(logp: Tensor, logp_reference: Tensor, p: Tensor | None = None, p_reference: Tensor | None = None) -> Tensor:
    """Jensen-Shannon divergence of two distributions, in [0, ln 2]."""
    p = logp.exp() if p is None else p
    p_reference = logp_reference.exp() if p_reference is None else p_reference
    mixture = torch.add(p, p_reference).mul_(0.5).log_()
    total = _mean(p, logp - mixture)
    total += _mean(p_reference, torch.sub(logp_reference, mixture, out=mixture))
    return total.mul_(0.5).clamp_(0.0, math.log(2.0))


def _mean(p: Tensor, values: Tensor) -> Tensor:
    """sum p * values, where a probability of 0 adds nothing whatever the value; NaN where p is."""
    # 0 times infinity is the only way to a NaN here that does not fill the whole row of p
    return torch.mul(p, values).nansum(-1).where(~p[..., :1].isnan().any(-1), math.nan)


def rank_among(logits: Tensor, score: Tensor) -> Tensor:
    """Rank of scores `[...]` among logits `[..., V]`: one more than the number of logits above."""
    above = (logits > score.unsqueeze(-1)).sum(-1, dtype=torch.int32)  # a processor takes five times as long in int64
    return above.long() + 1


def pooled_logits(logits: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """z(c) = logsumexp of the logits over the surface variants of each candidate; `[..., V]` -> `[..., C]`.

    A group without tokens has no logit; its column is -inf.
    """
    longest = max(map(len, groups), default=0)
    if not longest:
        return logits.new_full((*logits.shape[:-1], len(groups)), -math.inf)
    # shorter groups are filled up with a token that then does not count, so that all are read at once
    filled = [[*group, *[0] * (longest - len(group))] for group in groups]
    absent = [[place >= len(group) for place in range(longest)] for group in groups]
    own = logits[..., torch.tensor(filled, device=logits.device)]
    return own.masked_fill_(torch.tensor(absent, device=logits.device), -math.inf).logsumexp(dim=-1)
