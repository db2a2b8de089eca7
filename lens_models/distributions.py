"""Quantities of next-token distributions, as pure functions of logits.

Logits are fp32 with the vocabulary as the last axis; all logarithms are natural, so entropies and divergences are in
nats. Formulas: Cover & Thomas, Elements of Information Theory (2006), ch. 2; Lin (1991) for the Jensen-Shannon
divergence; Liu et al. (2020), arXiv 2010.03759, for the energy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["energy", "entropy", "jsd", "kl", "pooled_logits", "rank_of"]


def entropy(logp: Tensor) -> Tensor:
    """Entropy H(p) = -sum p log p of log-probabilities `[..., V]`; a zero probability adds nothing."""
    return -(logp.exp() * logp.clamp_min(torch.finfo(logp.dtype).min)).sum(-1)


def energy(logits: Tensor) -> Tensor:
    """Energy -logsumexp(z) of logits `[..., V]`."""
    return -torch.logsumexp(logits, dim=-1)


def kl(logp_reference: Tensor, logp: Tensor) -> Tensor:
    """KL(reference || p), `[..., V]` broadcast against `[..., V]`."""
    return (logp_reference.exp() * (logp_reference - logp)).sum(-1).clamp_min_(0.0)


def jsd(logp: Tensor, logp_reference: Tensor) -> Tensor:
    """Jensen-Shannon divergence of two distributions, in [0, ln 2]."""
    mixture = torch.logaddexp(logp, logp_reference).sub_(math.log(2.0))
    left = (logp.exp() * (logp - mixture)).sum(-1)
    right = (logp_reference.exp() * (logp_reference - mixture)).sum(-1)
    return left.add_(right).mul_(0.5).clamp_(0.0, math.log(2.0))


def rank_of(logits: Tensor, token_ids: Sequence[int]) -> Tensor:
    """Rank of the best of the given tokens in logits `[..., V]`; 1 is the most likely, ties share the better rank."""
    best = logits[..., list(token_ids)].amax(-1, keepdim=True)
    return (logits > best).sum(-1) + 1


def pooled_logits(logits: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """z(c) = logsumexp of the logits over the surface variants of each candidate; `[..., V]` -> `[..., C]`.

    A group without tokens has no logit; its column is -inf.
    """
    columns = [
        torch.logsumexp(logits[..., list(group)], dim=-1)
        if group
        else torch.full(logits.shape[:-1], -math.inf, dtype=logits.dtype, device=logits.device)
        for group in groups
    ]
    if not columns:
        return logits.new_empty((*logits.shape[:-1], 0))
    return torch.stack(columns, dim=-1)
