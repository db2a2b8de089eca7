"""Nulls from permuted labels: errors are permuted among samples of the same stratum.

Within a stratum (predicted answer, question type) the permuted errors are independent of the score. Errors of one image
go together, and so may scores: a plain permutation would then reject a true null too often. The test statistic is
therefore studentised by its cluster-robust error, sum_g U_g / sqrt(sum_g U_g^2) with U_g the sum over cluster g of
(centred rank) x (centred error), whose distribution does not depend on the clusters when there are many of them
(Janssen 1997; Chung and Romano 2013).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.stats import rankdata

from lens_report.stats.clusters import Clusters
from lens_report.stats.results import Sizes, join_notes

Floats = NDArray[np.float64]
N_PERMUTATIONS = 2_000
BLOCK = 128
"""Permutations that are drawn together: with several strata the draws depend on it."""
CELLS = 4_000_000
"""Of the permuted errors that are looked at together: more do not stay in the cache of a processor."""


@dataclass(frozen=True)
class NullTest:
    """An observed AUROC beside its distribution under a null.

    Attributes:
        observed: AUROC on the data; None when there is none, and then ``note`` says why.
        null_low: 2.5 percentile of the AUROC under the null.
        null_high: 97.5 percentile.
        p_value: Two-sided.
        p_adjusted: Two-sided, corrected for all scores tested together (max-T); None for a single score.
        n_simulations: Permutations or simulated data sets.
        n: Rows used.
        n_clusters: Clusters among them.
        n_errors: Errors among them.
        method: Which null.
        note: Why there is no result, or what was left out.
    """

    observed: float | None
    null_low: float | None
    null_high: float | None
    p_value: float | None
    p_adjusted: float | None
    n_simulations: int
    n: int
    n_clusters: int
    n_errors: int
    method: str
    note: str = ""

    @classmethod
    def missing(cls, sizes: Sizes, method: str, note: str) -> NullTest:
        """No result, for the reason given."""
        return cls(None, None, None, None, None, 0, sizes.n, sizes.n_clusters, sizes.n_errors or 0, method, note)


METHOD = "errors permuted within strata, studentised by cluster"


def permutation_null(
    score: ArrayLike,
    error: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    strata: ArrayLike | None = None,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> NullTest:
    """Test of no association between a score and errors within strata.

    Args:
        score: float [n]; rows with NaN are left out.
        error: [n], 1 for a wrong answer.
        clusters: Labels [n].
        strata: int [n], for example of `strata_labels`; None for one stratum.
        n_permutations: Number of permutations.
        seed: Of the permutations.

    Returns:
        The observed AUROC, the interval that stratified chance alone gives, and a p-value.
    """
    values = np.asarray(score, dtype=np.float64)[:, None]
    found = max_t(values, error, clusters, strata=strata, n_permutations=n_permutations, seed=seed)[0]
    return replace(found, p_adjusted=None)


def max_t(
    scores: ArrayLike,
    error: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    strata: ArrayLike | None = None,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> list[NullTest]:
    """Permutation tests of several scores at once, such as one score at every layer, with max-T adjusted p-values.

    Args:
        scores: float [n, k]; rows with a NaN in any column are left out.
        error: [n], 1 for a wrong answer.
        clusters: Labels [n].
        strata: int [n]; None for one stratum.
        n_permutations: Number of permutations, the same for all scores.
        seed: Of the permutations.

    Returns:
        One test for each column. ``p_adjusted`` compares the column with the largest statistic over all columns in
        each permutation (Westfall and Young 1993), so the chance of any false alarm is kept at the level.
    """
    values = np.asarray(scores, dtype=np.float64)
    wrong = np.asarray(error, dtype=np.float64)
    groups = Clusters.of(clusters)
    known = np.isfinite(values).all(axis=1) & np.isfinite(wrong)
    note = f"{int((~known).sum())} of {known.size} rows have no value" if not known.all() else ""
    groups, values, labels = groups.at(known), values[known], wrong[known] > 0
    sizes = Sizes(labels.size, groups.n_present(), int(labels.sum()))
    reason = "no rows with a value and a verdict" if not labels.size else sizes.too_small.removeprefix("no interval: ")
    level = np.zeros(known.size, dtype=np.int64) if strata is None else np.asarray(strata, dtype=np.int64)
    if reason:
        return [NullTest.missing(sizes, METHOD, join_notes(note, reason))] * values.shape[1]
    problem = _Problem.of(values, labels, groups, level[known])
    return problem.tests(n_permutations, seed, sizes, note)


@dataclass(frozen=True, eq=False)
class _Problem:
    """Centred ranks by cluster, ready for permuted errors."""

    by_cluster: list[csr_array]
    error: NDArray[np.bool_]
    stratum: NDArray[np.int64]
    share: Floats
    offset: Floats
    pairs: float

    @classmethod
    def of(cls, values: Floats, error: NDArray[np.bool_], clusters: Clusters, strata: NDArray[np.int64]) -> _Problem:
        ranks = np.asarray(rankdata(values, axis=0), dtype=np.float64)
        _, level = np.unique(strata, return_inverse=True)
        counts = np.bincount(level)
        means = np.stack([np.bincount(level, weights=column) / counts for column in ranks.T], axis=1)
        centred = ranks - means[level]
        centred[np.abs(centred) < 1e-9] = 0.0
        n, n_error = error.size, int(error.sum())
        cells = (clusters.codes, np.arange(n))
        return cls(
            by_cluster=[csr_array((column, cells), shape=(clusters.count, n)) for column in centred.T],
            error=error,
            stratum=level.astype(np.int64),
            share=(np.bincount(level, weights=error) / counts)[level][:, None],
            # AUROC = (rank sum of the errors - its minimum) / pairs; permutations keep the share of the strata's means.
            offset=means[level].T @ error - n_error * (n_error + 1) / 2,
            pairs=float(n_error * (n - n_error)),
        )

    def permuted(self, n_draws: int, seed: int) -> list[NDArray[np.uint8]]:
        """Errors permuted within strata, as bits: uint8 [some draws / 8, n] each."""
        return _permuted(self.error.tobytes(), self.stratum.tobytes(), n_draws, seed)

    def statistics(self, error: NDArray[np.bool_ | np.uint8]) -> tuple[Floats, Floats]:
        """AUROC and studentised statistic of every score: errors [draws, n] -> two float [k, draws]."""
        centred = np.subtract(error.T, self.share, order="C")
        auroc, student = [], []
        for matrix, offset in zip(self.by_cluster, self.offset, strict=True):
            by_cluster = matrix @ centred
            total = by_cluster.sum(axis=0)
            auroc.append((total + offset) / self.pairs)
            spread = np.sqrt(np.einsum("gd,gd->d", by_cluster, by_cluster))
            student.append(np.divide(total, spread, out=np.full_like(total, np.nan), where=spread > 0))
        return np.stack(auroc), np.stack(student)

    def tests(self, n_permutations: int, seed: int, sizes: Sizes, note: str) -> list[NullTest]:
        observed, statistic = (line[:, 0] for line in self.statistics(self.error[None]))
        size = max(1, CELLS // (8 * self.error.size))
        pieces = [
            block[start : start + size]
            for block in self.permuted(n_permutations, seed)
            for start in range(0, len(block), size)
        ]
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # the products let the threads run side by side
            parts = list(pool.map(lambda piece: self.statistics(np.unpackbits(piece, axis=0)), pieces))
        null_auroc, null = (np.concatenate(each, axis=1)[:, :n_permutations] for each in zip(*parts, strict=True))
        null = np.abs(null)
        highest = np.nanmax(np.where(np.isnan(null), 0.0, null), axis=0)
        tests = []
        for column, value in enumerate(statistic):
            if not np.isfinite(value):
                tests.append(NullTest.missing(sizes, METHOD, join_notes(note, "the value is constant within strata")))
                continue
            low, high = np.quantile(null_auroc[column], (0.025, 0.975))
            tests.append(
                NullTest(
                    float(observed[column]),
                    float(low),
                    float(high),
                    _p_value(null[column], abs(value)),
                    _p_value(highest, abs(value)),
                    n_permutations,
                    sizes.n,
                    sizes.n_clusters,
                    sizes.n_errors or 0,
                    METHOD,
                    note,
                )
            )
        return tests


@lru_cache(maxsize=2)
def _permuted(error: bytes, stratum: bytes, n_permutations: int, seed: int) -> list[NDArray[np.uint8]]:
    """Several tests of a report ask for the same permutations, which take a while to draw."""
    wrong, level = np.frombuffer(error, dtype=bool), np.frombuffer(stratum, dtype=np.int64)
    members = [np.flatnonzero(level == index) for index in range(int(level.max()) + 1)]
    rng = np.random.default_rng(seed)
    blocks = []
    for start in range(0, n_permutations, BLOCK):
        drawn = np.empty((min(BLOCK, n_permutations - start), wrong.size), dtype=bool)
        for rows in members:
            drawn[:, rows] = rng.permuted(np.tile(wrong[rows], (len(drawn), 1)), axis=1)
        blocks.append(np.packbits(drawn, axis=0))
    return blocks


def _p_value(null: Floats, value: float) -> float:
    """Share of the null at least as extreme, the observed value counted in; a relative slack of 1e-9 keeps ties."""
    return float((1 + np.count_nonzero(null >= value * (1 - 1e-9))) / (1 + null.size))


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Holm-adjusted p-values (Holm 1979); tests without a p-value stay without one and do not count.

    The family is all tests that were run, whatever came of them: pass every metric that was listed beforehand. Of m
    tests the k-th smallest p-value is multiplied by m - k + 1, and none is adjusted to less than a smaller one.
    """
    found: dict[str, float | None] = dict.fromkeys(p_values)
    tested = sorted(((value, name) for name, value in p_values.items() if value is not None), key=lambda one: one[0])
    highest = 0.0
    for place, (value, name) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - place) * value))
        found[name] = highest
    return found
