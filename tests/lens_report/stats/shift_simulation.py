"""Shifts of the kind that each method assumes, with the true accuracy of the shifted population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from lens_report.stats.clusters import Clusters
from lens_report.stats.label_free import METHODS, AnswerSet, predict

PER_CLUSTER = 2
N = 160


@dataclass(frozen=True)
class Kind:
    """How answers come about: log-odds about `level`, a gap between confidence and the chance of being right."""

    gap: float = 0.0
    sharp: bool = False

    def draw(self, rng: np.random.Generator, level: float, n: int = N, name: str = "set") -> AnswerSet:
        cluster = np.arange(n) // PER_CLUSTER
        odds = level + 0.7 * rng.normal(size=cluster.max() + 1)[cluster] + 0.7 * rng.normal(size=n)
        confidence = 0.2 + 0.8 * expit(odds)
        if self.sharp:  # what exceeds a fixed confidence is right, whatever the shift
            right = (confidence > 0.62).astype(np.float64)
        else:
            right = (rng.random(n) < confidence - self.gap).astype(np.float64)
        shares = np.column_stack([confidence, 1 - confidence])
        entropy = -np.sum(shares * np.log(np.maximum(shares, 1e-300)), axis=1)
        return AnswerSet(
            name, {"confidence": confidence, "entropy": entropy}, Clusters.of(cluster), right, shares, ("a", "b")
        )

    def truth(self, level: float) -> float:
        """Chance of being right in the population, by a large sample of confidences."""
        confidence = self.draw(np.random.default_rng(999), level, 100_000).confidence
        return float(np.mean(confidence > 0.62) if self.sharp else np.mean(confidence) - self.gap)


def covered(method: str, kind: Kind, *, shifts: int, n_sources: int = 1, n_draws: int = 100) -> float:
    """Share of shifts in which the bootstrap interval holds the accuracy of the shifted population."""
    rng = np.random.default_rng(7)
    hits = 0
    for shift in range(shifts):
        sources = [kind.draw(rng, float(rng.uniform(0.0, 1.5)), name=str(k)) for k in range(n_sources)]
        level = float(rng.uniform(-0.5, 1.5))
        target = kind.draw(rng, level).without_labels()
        found = predict(target, sources, METHODS[method], force=True, n_draws=n_draws, seed=shift).estimate
        assert found.low is not None and found.high is not None
        hits += found.low <= kind.truth(level) <= found.high
    return hits / shifts
