"""Two values of the same rows: their difference, paired and clustered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from lens_report.stats.clusters import Clusters
from lens_report.stats.means import ROBUST, mean_error
from lens_report.stats.results import MIN_CLUSTERS, Estimate, Sizes, beyond_rounding, join_notes


@dataclass(frozen=True)
class Comparison:
    """Run B minus run A.

    Attributes:
        difference: Mean of B - A over the shared samples.
        mean_a: Mean of A over them; None without shared samples.
        mean_b: Mean of B over them.
        p_value: Two-sided clustered paired t test; None when there is no interval.
        b_higher: Samples in which B has the higher value (B right where A is wrong).
        a_higher: Samples in which A has the higher value.
        only_a: Samples that only run A has a value for.
        only_b: Samples that only run B has a value for.
    """

    difference: Estimate
    mean_a: float | None
    mean_b: float | None
    p_value: float | None
    b_higher: int
    a_higher: int
    only_a: int
    only_b: int


def paired(a: ArrayLike, b: ArrayLike, clusters: Clusters | ArrayLike) -> Comparison:
    """Compare two values of the same rows, such as the verdicts on two answers, cluster by cluster.

    Args:
        a: float [n], NaN where there is none.
        b: float [n].
        clusters: Labels [n].

    Returns:
        b minus a over the rows that have both, with a cluster-robust interval and test.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    groups = Clusters.of(clusters)
    has_a, has_b = np.isfinite(first), np.isfinite(second)
    shared = has_a & has_b
    only_a, only_b = int((has_a & ~has_b).sum()), int((has_b & ~has_a).sum())
    gap = second[shared] - first[shared]
    sizes = Sizes(gap.size, groups.at(shared).n_present())
    note = f"{only_a} samples of the first run and {only_b} of the second are not shared" if only_a + only_b else ""
    if not gap.size:
        return Comparison(sizes.missing(join_notes(note, "no shared samples")), None, None, None, 0, 0, only_a, only_b)
    difference, p_value = _test(gap, groups.at(shared), sizes, note)
    mean_a, mean_b = float(first[shared].mean()), float(second[shared].mean())
    return Comparison(difference, mean_a, mean_b, p_value, int((gap > 0).sum()), int((gap < 0).sum()), only_a, only_b)


def _test(gap: np.ndarray, clusters: Clusters, sizes: Sizes, note: str) -> tuple[Estimate, float | None]:
    mean = float(gap.mean())
    if sizes.n_clusters < MIN_CLUSTERS:
        return sizes.estimate(mean, None, None, ROBUST, join_notes(note, sizes.too_small)), None
    error = float(mean_error(gap[:, None], clusters)[0])
    if not beyond_rounding(error, gap.size, np.abs(gap).max()):
        reason = "no interval: the difference is the same in all clusters"
        return sizes.estimate(mean, None, None, ROBUST, join_notes(note, reason)), None
    half = float(student.ppf(0.975, sizes.n_clusters - 1)) * error
    p_value = float(2 * student.sf(abs(mean) / error, sizes.n_clusters - 1))
    return sizes.estimate(mean, mean - half, mean + half, f"paired {ROBUST}", note), p_value
