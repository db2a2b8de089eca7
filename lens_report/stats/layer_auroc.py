"""AUROC of error at every layer, with pointwise clustered intervals from one set of draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_report.stats.association import METHOD, Scored
from lens_report.stats.clusters import N_DRAWS, Clusters, Statistic, bootstrap
from lens_report.stats.ranked_pairs import PairTable
from lens_report.stats.results import Estimate, join_notes, percentile_estimate


def auroc_by_layer(
    values: ArrayLike,
    error: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> list[Estimate]:
    """AUROC of error of a label-free quantity read at each layer.

    Intervals are pointwise: `max_t` says which layers stand out among all of them, `held_out_best_layer` what the best
    one is worth.

    Args:
        values: float [n, L]; high values are meant to go with errors. NaN is left out layer by layer.
        error: [n], 1 for a wrong answer.
        clusters: Labels [n].
        n_draws: Bootstrap draws, the same for all layers.
        seed: Of the draws.

    Returns:
        One estimate a layer; each says why when it has no value or interval.
    """
    groups = clusters if isinstance(clusters, Clusters) else Clusters.of(clusters)
    layers = [Scored.of(column, error, groups) for column in np.asarray(values, dtype=np.float64).T]
    statistics = {index: auroc_statistic(rows) for index, rows in enumerate(layers) if not rows.why_none}
    draws = bootstrap(groups, list(statistics.values()), n_draws=n_draws, seed=seed) if statistics else []
    found = dict(zip(statistics, draws, strict=True))
    return [
        auroc_estimate(rows, statistics[index], found[index])
        if index in found
        else rows.sizes.missing(join_notes(rows.note, rows.why_none), METHOD)
        for index, rows in enumerate(layers)
    ]


def auroc_statistic(rows: Scored) -> Statistic:
    """A function from cluster weights to the AUROC, float [draws]."""
    table = PairTable.build(rows.score, rows.error, rows.clusters)
    return lambda weights: table.sums(weights).auroc


def auroc_estimate(rows: Scored, statistic: Statistic, draws: NDArray[np.float64]) -> Estimate:
    """An estimate of a statistic on the data, with the percentiles of its draws, float [draws], as the interval."""
    value = float(statistic(np.ones((rows.clusters.count, 1)))[0])
    return percentile_estimate(value, draws, rows.sizes, f"{METHOD}, {draws.size} draws", rows.note)
