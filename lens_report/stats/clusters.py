"""Clusters of samples (one image, one pair) and the bootstrap that resamples them whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

N_DRAWS = 10_000
BLOCK_CELLS = 2_000_000
"""Cells of the largest array of one block of draws, which are drawn together: the draws depend on it."""
TILE_CELLS = 600_000
"""Cells of the largest array of the draws that are evaluated together: about 5 MB, which a processor keeps at hand."""

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
        statistics: Functions from weights, float [clusters, some draws] (how often each cluster was drawn), to float
            [..., these draws]. They are called from several threads and leave the weights as they are.
        n_draws: Number of draws.
        seed: Draws depend on the seed and the sizes alone, not on the statistics or the threads.
        n_rows: Longest axis that a statistic multiplies with the draws, for how many are drawn and evaluated together.

    Returns:
        For each statistic its values, float [..., draws].
    """
    longest = max(clusters.count, n_rows, clusters.codes.size, 1)
    size = int(np.clip(BLOCK_CELLS // longest, 16, n_draws))
    width = max(TILE_CELLS // longest // 16, 1) * 16
    sizes = [min(size, n_draws - start) for start in range(0, n_draws, size)]
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))

    def block(job: tuple[int, np.random.SeedSequence]) -> list[NDArray[np.float64]]:
        drawn = cluster_counts(clusters.count, job[0], np.random.default_rng(job[1]))
        found = []
        for start, stop in pairwise(_tile_edges(job[0], width)):
            weights = as_weights(drawn[start:stop])
            found.append([statistic(weights) for statistic in statistics])
        return [np.concatenate(parts, axis=-1) for parts in zip(*found, strict=True)]

    # The blocks run side by side, so the matrix products inside them must not start threads of their own.
    with threadpool_limits(1), ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        blocks = list(pool.map(block, zip(sizes, seeds, strict=True)))
    return [np.concatenate(parts, axis=-1) for parts in zip(*blocks, strict=True)]


def _tile_edges(n_draws: int, width: int) -> list[int]:
    """Where tiles of at least ``width`` draws begin, and the end of the last.

    BLAS rounds a column of a product alike wherever it stands among full groups of columns (4 to 24 of them), and what
    is left over otherwise. Tiles of whole groups, the rest with the last, give what one product of all would give.
    """
    return [*range(0, max(n_draws - width, 0) + 1, width), n_draws]


def cluster_weights(count: int, n_draws: int, rng: np.random.Generator) -> Weights:
    """How often each of ``count`` clusters is drawn in ``count`` draws with replacement: float [count, n_draws]."""
    return as_weights(cluster_counts(count, n_draws, rng))


def cluster_counts(count: int, n_draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The same counts, one draw after another: int [n_draws, count]."""
    drawn = rng.integers(0, count, (n_draws, count), dtype=np.int64)
    drawn += count * np.arange(n_draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=count * n_draws).reshape(n_draws, count)


def as_weights(counts: NDArray[np.int64]) -> Weights:
    """Counts int [draws, clusters] as weights float [clusters, draws], in the order in which they are read."""
    return np.ascontiguousarray(counts.T, dtype=np.float64)
