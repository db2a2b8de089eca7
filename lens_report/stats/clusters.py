"""Clusters of samples (one image, one pair), and the bootstrap that resamples them whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

N_DRAWS = 10_000
BLOCK_CELLS = 2_000_000
"""Cells of the largest array of one block of draws, which are drawn together: the draws depend on it."""

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which cluster each row belongs to.

    Attributes:
        codes: int [n], 0 .. count - 1.
        count: Number of clusters.
        n_unlabelled: Rows without a cluster label; each of them is a cluster of its own.
    """

    codes: NDArray[np.int64]
    count: int
    n_unlabelled: int = 0

    @classmethod
    def of(cls, labels: Clusters | ArrayLike | pd.Series) -> Clusters:
        """Clusters from labels [n] of any kind; a missing label makes the row a cluster of its own."""
        if isinstance(labels, Clusters):
            return labels
        codes, levels = pd.factorize(pd.Series(labels), use_na_sentinel=True)
        codes = codes.astype(np.int64)
        alone = codes < 0
        codes[alone] = len(levels) + np.arange(int(alone.sum()))
        return cls(codes, len(levels) + int(alone.sum()), int(alone.sum()))

    def at(self, rows: NDArray[np.bool_]) -> Clusters:
        """The same clusters for some of the rows: codes keep their meaning, so that results stay paired."""
        return Clusters(self.codes[rows], self.count, self.n_unlabelled)

    def n_present(self) -> int:
        """Number of clusters that have a row."""
        return int(np.count_nonzero(np.bincount(self.codes)))

    def sums(self, values: Floats) -> Floats:
        """Sum of the values within each cluster: float [n] or [n, k] -> float [count] or [count, k]."""
        out = np.zeros((self.count, *values.shape[1:]))
        for place in np.ndindex(values.shape[1:]):
            column = (slice(None), *place)
            out[column] = np.bincount(self.codes, weights=values[column], minlength=self.count)
        return out

    def standard_error(self, influence: Floats) -> float:
        """Cluster-robust standard error of an estimate from the influence of each row on it, float [n].

        The sandwich of Liang and Zeger (1986): influences are summed within clusters, squared and added up, with the
        factor G / (G - 1). The influences of an estimate add up to zero.
        """
        count = self.n_present()
        return float(np.sqrt(count / max(count - 1, 1) * np.sum(self.sums(influence) ** 2)))


def bootstrap(
    clusters: Clusters, statistics: Sequence[Statistic], *, n_draws: int = N_DRAWS, seed: int = 0, n_rows: int = 0
) -> list[Floats]:
    """Draw whole clusters with replacement and evaluate statistics on every draw, the same draws for all of them.

    Args:
        clusters: What is resampled.
        statistics: Functions from weights, float [clusters, some draws] (how often each cluster was drawn), to float
            [..., these draws].
        n_draws: Number of draws.
        seed: Draws depend on the seed and the sizes alone.
        n_rows: Longest axis that a statistic multiplies with the draws, for how many are drawn together.

    Returns:
        For each statistic its values, float [..., draws].
    """
    size = int(np.clip(BLOCK_CELLS // max(clusters.count, n_rows, clusters.codes.size, 1), 16, n_draws))
    sizes = [min(size, n_draws - start) for start in range(0, n_draws, size)]
    blocks = []
    for number, source in zip(sizes, np.random.SeedSequence(seed).spawn(len(sizes)), strict=True):
        weights = cluster_weights(clusters.count, number, np.random.default_rng(source))
        blocks.append([statistic(weights) for statistic in statistics])
    return [np.concatenate(parts, axis=-1) for parts in zip(*blocks, strict=True)]


def cluster_weights(count: int, n_draws: int, rng: np.random.Generator) -> Floats:
    """How often each of ``count`` clusters is drawn in ``count`` draws with replacement: float [count, n_draws]."""
    drawn = rng.integers(0, count, (n_draws, count), dtype=np.int64)
    drawn += count * np.arange(n_draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=count * n_draws).reshape(n_draws, count)
    return np.ascontiguousarray(counts.T, dtype=np.float64)
