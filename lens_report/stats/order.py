"""Which of two kinds of samples comes first: events with a layer each, or that never happen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from lens_report.stats.clusters import Clusters
from lens_report.stats.results import MIN_CLUSTERS, Estimate, Sizes, beyond_rounding

Floats = NDArray[np.float64]
METHOD = "cluster-robust t interval of a two-sample rank statistic"


@dataclass(frozen=True)
class Precedence:
    """Which of two kinds comes first.

    Attributes:
        lead: P(a earlier than b) - P(b earlier than a) for a random pair: 1 when a always comes first, 0 for no order.
            Events that never happen come after all others and tie with each other.
        p_value: Two-sided test of no order; None when there is no interval.
    """

    lead: Estimate
    p_value: float | None


def precedence(
    event_a: ArrayLike, event_b: ArrayLike, clusters_a: Clusters, clusters_b: Clusters
) -> Precedence:  # fmt: skip
    """Whether the events of one kind of samples come before those of another.

    Args:
        event_a: float [n], layer of the event, NaN where it never happened although it was watched to the last layer.
        event_b: float [m].
        clusters_a: Clusters of the n rows.
        clusters_b: Clusters of the m rows, with the same codes: the two kinds may share images.

    Returns:
        Somers' D of the two with a cluster-robust interval: the rows' influence (their mean win against the other
        kind) is summed within clusters over both kinds.
    """
    a, b = (np.nan_to_num(np.asarray(event, dtype=np.float64), nan=np.inf) for event in (event_a, event_b))
    codes = np.r_[clusters_a.codes, clusters_b.codes]
    sizes = Sizes(a.size + b.size, int(np.unique(codes).size))
    if not a.size or not b.size:
        return Precedence(sizes.missing("one kind has no rows", METHOD), None)
    wins_a, wins_b = _wins(a, b), -_wins(b, a)
    lead = float(wins_a.mean())
    if sizes.n_clusters < MIN_CLUSTERS:
        return Precedence(sizes.estimate(lead, None, None, METHOD, sizes.too_small), None)
    influence = np.r_[(wins_a - lead) / a.size, (wins_b - lead) / b.size]
    sums = np.bincount(codes, weights=influence)
    error = float(np.sqrt(sizes.n_clusters / (sizes.n_clusters - 1) * (sums**2).sum()))
    if not beyond_rounding(error, sizes.n):
        reason = "no interval: the order is the same in all clusters"
        return Precedence(sizes.estimate(lead, None, None, METHOD, reason), None)
    half = float(student.ppf(0.975, sizes.n_clusters - 1)) * error
    p_value = float(2 * student.sf(abs(lead) / error, sizes.n_clusters - 1))
    return Precedence(sizes.estimate(lead, max(lead - half, -1.0), min(lead + half, 1.0), METHOD), p_value)


def _wins(own: Floats, other: Floats) -> Floats:
    """For each row the share of the others that come later minus the share that come earlier: float [n]."""
    ordered = np.sort(other)
    later = other.size - np.searchsorted(ordered, own, side="right")
    earlier = np.searchsorted(ordered, own, side="left")
    return np.asarray((later - earlier) / other.size, dtype=np.float64)
