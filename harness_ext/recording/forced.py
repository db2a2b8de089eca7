"""Candidates of several tokens, scored by teacher forcing: their place in a readout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import logsumexp, softmax
from scipy.stats import entropy

from harness_ext.recording.candidates import SampleCandidates
from harness_ext.recording.request import Images
from lens_models import Readout
from lens_models.continuations import ScoredContinuation
from lens_models.readout import FloatArray

__all__ = ["Rescore", "RescoreUnder", "Tokens", "force_candidates", "with_scores"]

Tokens = tuple[int, ...]
Rescore = Callable[[int, Tokens, Sequence[Tokens]], list[ScoredContinuation]]
"""(sample of the batch, tokens generated before the answer, token sequences) -> a score for each sequence."""
RescoreUnder = Callable[[int, Tokens, Sequence[Tokens], Images], list[ScoredContinuation]]
"""The same with images in place of the sample's own, as many as it has."""


def force_candidates(
    readout: Readout, candidates: SampleCandidates, score: Callable[[Sequence[Tokens]], list[ScoredContinuation]]
) -> tuple[Readout, SampleCandidates]:
    """Score the full token sequences of a candidate set whose first tokens do not tell the candidates apart."""
    flat = [sequence for own in candidates.sequences for sequence in own]
    by_sequence = dict(zip(flat, score(flat), strict=True))
    columns = []
    for own in candidates.sequences:
        variants = np.stack([_layers(by_sequence[sequence]) for sequence in own], axis=1)
        columns.append(logsumexp(variants, axis=1))
    firsts = tuple(tuple(dict.fromkeys(sequence[0] for sequence in own)) for own in candidates.sequences)
    scores = np.stack(columns, axis=1).astype(np.float32)
    return with_scores(readout, scores, candidates.gold), replace(candidates, ids=firsts)


def with_scores(readout: Readout, scores: FloatArray, gold: int | None) -> Readout:
    """A readout whose candidate quantities come from sequence log-probabilities `[layers, candidates]`, in nats."""
    return replace(
        readout,
        cand_scores=scores,
        cand_mass=np.minimum(np.exp(logsumexp(scores, axis=1)), 1.0).astype(np.float32),
        cand_entropy=np.asarray(entropy(softmax(scores, axis=1), axis=1), dtype=np.float32),
        logprob_gold=None if gold is None else scores[:, gold],
        rank_gold=None,
    )


def _layers(scored: ScoredContinuation) -> FloatArray:
    assert scored.layer_logprobs is not None
    return np.asarray(scored.layer_logprobs, dtype=np.float32)
