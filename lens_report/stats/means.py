"""Means and shares of clustered samples: scores of a task, curves over the layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from lens_report.stats.clusters import Clusters
from lens_report.stats.results import MIN_CLUSTERS, Estimate, Sizes, join_notes, share_interval, t_interval

Floats = NDArray[np.float64]
WILSON = "Wilson score interval at the effective sample size of the clusters"
ROBUST = "cluster-robust t interval"


def score_interval(values: ArrayLike, clusters: Clusters | ArrayLike) -> Estimate:
    """A task's score with its clustered interval.

    For a score of 0 and 1 it is Wilson's interval with the sample size divided by the design effect of the clusters
    (never taken below 1) and the t quantile for the clusters, so that it stays within 0 and 1 and is not empty at a
    score of 0 or 1. For other scores it is the cluster-robust t interval of the mean.

    Args:
        values: float [n]; rows with NaN are left out.
        clusters: Labels [n].

    Returns:
        The mean with its interval; a note says why when there is none.
    """
    column, groups = np.asarray(values, dtype=np.float64), Clusters.of(clusters)
    known = np.isfinite(column)
    note = f"{int((~known).sum())} of {known.size} rows have no value" if not known.all() else ""
    column, groups = column[known], groups.at(known)
    sizes = Sizes(column.size, groups.n_present())
    if not sizes.n:
        return sizes.missing("no rows with a value")
    mean = float(column.mean())
    if sizes.n_clusters < MIN_CLUSTERS:
        return sizes.estimate(mean, None, None, ROBUST, join_notes(note, sizes.too_small))
    error = float(mean_error(column[:, None], groups)[0])
    if not np.isin(column, (0.0, 1.0)).all():
        return sizes.estimate(mean, *t_interval(mean, error, sizes.n_clusters), ROBUST, note)
    return sizes.estimate(mean, *share_interval(mean, error, sizes.n, sizes.n_clusters), WILSON, note)


def mean_error(values: Floats, clusters: Clusters) -> Floats:
    """Cluster-robust standard error of the mean of every column: float [n, k] with NaN where unknown -> float [k].

    The CR1 estimator: the sums of residuals within clusters, squared and added up, with the factor G / (G - 1).
    NaN where fewer than two clusters are known.
    """
    known = np.isfinite(values)
    count = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=0) / np.maximum(count, 1)
    sums = clusters.sums(np.where(known, values - mean, 0.0))
    present = (clusters.sums(known.astype(np.float64)) > 0).sum(axis=0)
    factor = np.where(present > 1, present / np.maximum(present - 1, 1), np.nan)
    return np.asarray(np.sqrt(factor * (sums**2).sum(axis=0)) / np.maximum(count, 1))


@dataclass(frozen=True, eq=False)
class LayerCurve:
    """Mean of a quantity at every layer with 95 % intervals, pointwise.

    Attributes:
        mean: float [L]; NaN where no row has a value.
        low: float [L], NaN where no interval can be given (fewer than `MIN_CLUSTERS` clusters).
        high: float [L].
        n: int [L], rows with a value.
        n_clusters: int [L], their clusters.
    """

    mean: Floats
    low: Floats
    high: Floats
    n: NDArray[np.int64]
    n_clusters: NDArray[np.int64]


def layer_curve(values: ArrayLike, clusters: Clusters | ArrayLike) -> LayerCurve:
    """Mean by layer with cluster-robust t intervals.

    Args:
        values: float [n, L], NaN where unknown: entropy, log-odds, whether gold leads (1 or 0), ...
        clusters: Labels [n].

    Returns:
        The curve. These arrays are for plotting, so a missing value is NaN here.
    """
    columns = np.asarray(values, dtype=np.float64)
    groups = Clusters.of(clusters)
    known = np.isfinite(columns)
    n = known.sum(axis=0)
    present = (groups.sums(known.astype(np.float64)) > 0).sum(axis=0)
    mean = np.full(columns.shape[1], np.nan)
    np.divide(np.where(known, columns, 0.0).sum(axis=0), n, out=mean, where=n > 0)
    enough = present >= MIN_CLUSTERS
    half = np.where(enough, student.ppf(0.975, np.maximum(present - 1, 1)) * mean_error(columns, groups), np.nan)
    return LayerCurve(mean, mean - half, mean + half, n.astype(np.int64), present.astype(np.int64))
