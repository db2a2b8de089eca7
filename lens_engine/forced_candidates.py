"""Candidates of several tokens, scored by teacher forcing: their place in a readout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import logsumexp, softmax
from scipy.stats import entropy

from lens_models import Readout
from lens_models.continuations import ScoredContinuation
from lens_models.readout import FloatArray

from .candidates import SampleCandidates
from .engine import Tokens

__all__ = ["force_candidates", "layers_of", "with_scores"]


def force_candidates(
    readout: Readout, candidates: SampleCandidates, score: Callable[[Sequence[Tokens]], list[ScoredContinuation]]
) -> tuple[Readout, SampleCandidates]:
    """Score the full token sequences of a candidate set whose first tokens do not tell the candidates apart."""
    flat = [sequence for own in candidates.sequences for sequence in own]
    by_sequence = dict(zip(flat, score(flat), strict=True))
    columns = []
    for own in candidates.sequences:
        variants = np.stack([layers_of(by_sequence[sequence]) for sequence in own], axis=1)
        columns.append(logsumexp(variants, axis=1))
    firsts = tuple(tuple(dict.fromkeys(sequence[0] for sequence in own)) for own in candidates.sequences)
    scores = np.stack(columns, axis=1).astype(np.float32)
    return with_scores(readout, scores), replace(candidates, ids=firsts, score="logprob")


def with_scores(readout: Readout, logprobs: FloatArray, lengths: FloatArray | float = 1.0) -> Readout:
    """A readout whose candidate quantities come from whole sequences.

    Args:
        readout: at the position that predicts the first token; what it says of that token stays.
        logprobs: log-probability of each sequence `[layers, candidates]`, in nats; may hold NaN or -inf, which the
            record then names.
        lengths: what the score divides them by, `[candidates]`.
    """
    with np.errstate(all="ignore"):
        scores = np.asarray(logprobs / lengths, dtype=np.float32)
        return replace(
            readout,
            cand_scores=scores,
            cand_mass=np.minimum(np.exp(logsumexp(logprobs, axis=1)), 1.0).astype(np.float32),
            cand_entropy=np.asarray(entropy(softmax(scores, axis=1), axis=1), dtype=np.float32),
            logprob_gold=None,
            rank_gold=None,
        )


def layers_of(scored: ScoredContinuation) -> FloatArray:
    """Log-probability of a sequence at each layer, float `[layers]`, in nats."""
    assert scored.layer_logprobs is not None
    return np.asarray(scored.layer_logprobs, dtype=np.float32)
