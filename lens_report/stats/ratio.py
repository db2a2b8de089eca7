"""A ratio of two means of the same clustered rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lens_report.stats.clusters import Clusters
from lens_report.stats.means import mean_error
from lens_report.stats.results import MIN_CLUSTERS, Estimate, Sizes, beyond_rounding, join_notes, t_interval

RATIO = "cluster-robust t interval of a linearised ratio"


def ratio_of_means(numerator: ArrayLike, denominator: ArrayLike, clusters: Clusters | ArrayLike) -> Estimate:
    """Mean of one value over the mean of another.

    The interval is that of the linearised ratio R: the mean of (a - R b) / mean(b), with the cluster-robust error
    (Cochran, Sampling Techniques, 1977, section 6.4 and chapter 9A).

    Args:
        numerator: float [n], a; rows with NaN in either are left out.
        denominator: float [n], b.
        clusters: Labels [n].

    Returns:
        The ratio; a note says why it, or its interval, is missing.
    """
    a, b = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    known = np.isfinite(a) & np.isfinite(b)
    groups = Clusters.of(clusters).at(known)
    note = f"{int((~known).sum())} of {known.size} rows have no value" if not known.all() else ""
    a, b = a[known], b[known]
    sizes = Sizes(a.size, groups.n_present())
    if not sizes.n:
        return sizes.missing(join_notes(note, "no rows with a value"))
    if not beyond_rounding(b.mean(), b.size, np.abs(b).max(initial=0.0)):
        return sizes.missing(join_notes(note, "the denominator is zero"))
    value = float(a.mean() / b.mean())
    if sizes.n_clusters < MIN_CLUSTERS:
        return sizes.estimate(value, None, None, RATIO, join_notes(note, sizes.too_small))
    residual = (a - value * b) / b.mean()
    error = float(mean_error(residual[:, None], groups)[0])
    if not beyond_rounding(error, a.size, np.abs(residual).max()):
        return sizes.estimate(value, None, None, RATIO, join_notes(note, "no interval: the same in all clusters"))
    return sizes.estimate(value, *t_interval(value, error, sizes.n_clusters), RATIO, note)
