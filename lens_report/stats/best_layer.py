"""The AUROC of a best layer, chosen on other samples than those it is judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from lens_report.stats.association import METHOD, Scored
from lens_report.stats.clusters import N_DRAWS, Clusters, bootstrap
from lens_report.stats.folds import N_FOLDS, grouped_folds
from lens_report.stats.gain import pairs_within
from lens_report.stats.results import Estimate, join_notes, percentile_estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BestLayer:
    """A layer chosen by cross-validation.

    Attributes:
        auroc: AUROC of error on held-out folds, each read at the layer (and in the direction) that the others chose.
        chosen: Column chosen by each fold's training rows; disagreement says that the choice is arbitrary.
    """

    auroc: Estimate
    chosen: tuple[int, ...]


def held_out_best_layer(
    values: ArrayLike,
    error: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    n_folds: int = N_FOLDS,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> BestLayer:
    """Choose the layer whose value ranks errors best on the other folds, and judge it on the held-out one.

    Args:
        values: float [n, L], a label-free quantity at every layer; rows with NaN are left out.
        error: [n], 1 for a wrong answer.
        clusters: Labels [n]; folds keep clusters whole.
        n_folds: Number of folds.
        n_draws: Bootstrap draws.
        seed: Of folds and draws.

    Returns:
        Held-out AUROC over pairs within folds, with a clustered interval for the choices that were made.
    """
    columns = np.asarray(values, dtype=np.float64)
    known = np.isfinite(columns).all(axis=1)
    rows = Scored.of(np.where(known, 0.0, np.nan), error, clusters)
    used = known & np.isfinite(np.asarray(error, dtype=np.float64))
    sizes = rows.sizes
    smallest = min(sizes.n_errors or 0, sizes.n - (sizes.n_errors or 0))
    if sizes.too_small or smallest < 2 * n_folds:
        reason = sizes.too_small.removeprefix("no interval: ") or (
            f"{smallest} in the smaller class, {2 * n_folds} are needed for {n_folds} folds"
        )
        return BestLayer(sizes.missing(join_notes(rows.note, reason), METHOD), ())
    fold = grouped_folds(rows.clusters, rows.error, n_folds=n_folds, seed=seed)
    score, chosen = np.zeros(sizes.n), []
    for held_out in np.unique(fold):
        test = fold == held_out
        area = column_aurocs(columns[used][~test], rows.error[~test])
        layer = int(np.argmax(np.abs(area - 0.5)))
        chosen.append(layer)
        score[test] = columns[used][test, layer] * (1.0 if area[layer] >= 0.5 else -1.0)
    statistic = pairs_within(score, rows.error, fold, rows.clusters)
    value = float(statistic(np.ones((rows.clusters.count, 1)))[0])
    draws = bootstrap(rows.clusters, [statistic], n_draws=n_draws, seed=seed)[0]
    method = f"layer chosen on other folds, {METHOD}, {n_draws} draws"
    return BestLayer(percentile_estimate(value, draws, sizes, method, rows.note), tuple(chosen))


def column_aurocs(values: Floats, error: NDArray[np.bool_]) -> Floats:
    """AUROC of error of every column: float [n, k], bool [n] -> float [k]; .5 where one class is missing."""
    n_error = int(error.sum())
    pairs = n_error * (error.size - n_error)
    if not pairs:
        return np.full(values.shape[1], 0.5)
    ranks = np.asarray(rankdata(values, axis=0), dtype=np.float64)
    return np.asarray((ranks[error].sum(axis=0) - n_error * (n_error + 1) / 2) / pairs)
