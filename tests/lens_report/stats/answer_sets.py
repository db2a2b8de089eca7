"""Made sets of answers with known accuracy."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from lens_report.stats.clusters import Clusters
from lens_report.stats.label_free import AnswerSet


def made_set(
    rng: np.random.Generator,
    n: int = 120,
    *,
    level: float = 1.0,
    overconfidence: float = 0.0,
    per_cluster: int = 1,
    candidates: int = 2,
    name: str = "made",
) -> AnswerSet:
    """Log-odds about `level`; an answer is right with the probability of them minus `overconfidence`.

    The readout `depth` goes with the log-odds that decide, whatever the confidence says; `noise` with nothing.
    """
    cluster = np.arange(n) // per_cluster
    shared = 0.8 * rng.normal(size=cluster.max() + 1)[cluster]
    odds = level + shared + rng.normal(size=n)
    confidence = expit(odds + overconfidence)
    right = (rng.random(n) < expit(odds)).astype(np.float64)
    gold = rng.integers(0, candidates, n)
    given = np.where(right > 0, gold, (gold + 1) % candidates)
    shares = np.repeat(((1 - confidence) / max(candidates - 1, 1))[:, None], candidates, axis=1)
    shares[np.arange(n), given] = confidence
    entropy = -np.sum(shares * np.log(shares), axis=1)
    scores = {
        "confidence": confidence,
        "entropy": entropy,
        "depth": odds + 0.3 * rng.normal(size=n),
        "noise": rng.normal(size=n),
    }
    labels = tuple("abcdefgh"[:candidates])
    return AnswerSet(name, scores, Clusters.of(cluster), right, shares, labels, gold)
