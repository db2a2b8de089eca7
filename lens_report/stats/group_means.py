"""Means of two groups of rows that share clusters, such as right and wrong answers about the same pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_report.stats.clusters import Clusters
from lens_report.stats.means import ROBUST, Floats
from lens_report.stats.results import MIN_CLUSTERS, Estimate, Sizes, beyond_rounding, t_interval


def difference_of_means(
    values: ArrayLike, first: ArrayLike, clusters: Clusters | ArrayLike, strata: ArrayLike | None = None
) -> Estimate:
    """Mean of one group minus mean of the other, where a cluster may have rows in both.

    It is the coefficient of the group in a linear regression with clustered errors (`Clusters.standard_error`). With
    strata the regression has a mean for each of them: groups are compared within strata, which count by how evenly
    they are divided between the two.

    Args:
        values: float [n]; rows with NaN are left out.
        first: bool [n], the group whose mean counts as plus; all others are the other group.
        clusters: Labels [n].
        strata: Labels [n], such as question types; None for no strata.

    Returns:
        The difference with its t interval; without one where a group has rows in fewer than `MIN_CLUSTERS` clusters.
    """
    column, groups = np.asarray(values, dtype=np.float64), Clusters.of(clusters)
    known = np.isfinite(column)
    column, members, groups = column[known], np.asarray(first, dtype=bool)[known], groups.at(known)
    levels = (
        np.zeros(column.size, dtype=np.int64) if strata is None else np.unique(strata, return_inverse=True)[1][known]
    )
    sizes = Sizes(column.size, groups.n_present())
    if members.all() or not members.any():
        return sizes.missing("one of the two groups has no rows with a value")
    excess, rest = _from_means(members.astype(np.float64), levels), _from_means(column, levels)
    power = float(excess @ excess)
    if not beyond_rounding(power, column.size):
        return sizes.missing("no stratum has rows of both groups")
    value = float(excess @ rest) / power
    fewest = min(groups.at(members).n_present(), groups.at(~members).n_present())
    if fewest < MIN_CLUSTERS:
        reason = f"no interval: rows of one group in {fewest} clusters, at least {MIN_CLUSTERS} are needed"
        return sizes.estimate(value, None, None, ROBUST, reason)
    error = groups.standard_error(excess * (rest - value * excess) / power)
    if not beyond_rounding(error, column.size, np.abs(column).max()):
        return sizes.estimate(value, None, None, ROBUST, "no interval: all rows of a group have the same value")
    return sizes.estimate(value, *t_interval(value, error, sizes.n_clusters), ROBUST)


def _from_means(values: Floats, levels: NDArray[np.int64]) -> Floats:
    """Each value minus the mean of its stratum, float [n]."""
    means = np.bincount(levels, weights=values) / np.maximum(np.bincount(levels), 1)
    return np.asarray(values - means[levels])
