"""Clusters of samples (one image, one pair) and the bootstrap that resamples them whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

N_DRAWS = 10_000
BLOCK_CELLS = 2_000_000
"""Cells of the largest array of one block of draws: about 16 MB in double precision."""

Weights = NDArray[np.float64]
Statistic = Callable[[Weights], NDArray[np.float64]]


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
    def of(cls, labels: ArrayLike | pd.Series) -> Clusters:
        """Clusters from labels [n] of any kind; a missing label makes the row a cluster of its own."""
        codes, levels = pd.factorize(pd.Series(labels), use_na_sentinel=True)
        codes = codes.astype(np.int64)
        alone = codes < 0
        codes[alone] = len(levels) + np.arange(int(alone.sum()))
        return cls(codes, len(levels) + int(alone.sum()), int(alone.sum()))

    def at(self, rows: NDArray[np.bool_]) -> Clusters:
        """The same clusters for some of the rows: codes keep their meaning, so draws stay paired."""
        return Clusters(self.codes[rows], self.count, self.n_unlabelled)

    def n_present(self) -> int:
        """Number of clusters that have a row."""
        return int(np.unique(self.codes).size)

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of the values within each cluster: float [n] or [n, k] -> float [count] or [count, k]."""
        out = np.zeros((self.count, *values.shape[1:]))
        np.add.at(out, self.codes, values)
        return out


def bootstrap(
    clusters: Clusters, statistics: Sequence[Statistic], *, n_draws: int = N_DRAWS, seed: int = 0, n_rows: int = 0
) -> list[NDArray[np.float64]]:
    """Draw whole clusters with replacement and evaluate statistics on every draw, the same draws for all of them.

    Args:
        clusters: What is resampled.
        statistics: Functions from weights, float [clusters, draws of a block] (how often each cluster was drawn), to
            float [..., draws of a block]. They are called from several threads.
        n_draws: Number of draws.
        seed: Draws depend on the seed and the number of clusters alone, not on the statistics or the threads.
        n_rows: Longest axis that a statistic multiplies with the draws, for the size of the blocks.

    Returns:
        For each statistic its values, float [..., draws].
    """
    size = int(np.clip(BLOCK_CELLS // max(clusters.count, n_rows, clusters.codes.size, 1), 16, n_draws))
    sizes = [min(size, n_draws - start) for start in range(0, n_draws, size)]
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))

    def block(job: tuple[int, np.random.SeedSequence]) -> list[NDArray[np.float64]]:
        weights = cluster_weights(clusters.count, job[0], np.random.default_rng(job[1]))
        return [statistic(weights) for statistic in statistics]

    # The blocks run side by side, so the matrix products inside them must not start threads of their own.
    with threadpool_limits(1), ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        blocks = list(pool.map(block, zip(sizes, seeds, strict=True)))
    return [np.concatenate(parts, axis=-1) for parts in zip(*blocks, strict=True)]


def cluster_weights(count: int, n_draws: int, rng: np.random.Generator) -> Weights:
    """How often each of ``count`` clusters is drawn in ``count`` draws with replacement: float [count, n_draws]."""
    drawn = rng.integers(0, count, (n_draws, count), dtype=np.int64)
    drawn += count * np.arange(n_draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=count * n_draws).reshape(n_draws, count)
    return np.ascontiguousarray(counts.T, dtype=np.float64)
