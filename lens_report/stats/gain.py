"""The headline: how much better errors are ranked by final confidence and a metric than by final confidence alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_report.stats.association import METHOD, Scored
from lens_report.stats.clusters import N_DRAWS, Clusters, Statistic, Weights, bootstrap
from lens_report.stats.folds import N_FOLDS, cross_fitted, grouped_folds, spline
from lens_report.stats.ranked_pairs import PairTable, ratio
from lens_report.stats.results import MIN_CLASS, Estimate, join_notes, percentile_estimate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Gain:
    """AUROC of error with and without a metric, both cross-fitted on the same rows and folds.

    Attributes:
        baseline: AUROC of final confidence alone.
        combined: AUROC of final confidence and the metric.
        delta: Their difference.
    """

    baseline: Estimate
    combined: Estimate
    delta: Estimate

    @property
    def adds(self) -> bool:
        """Whether the interval of ``delta`` lies above zero: the only case in which the metric adds something.

        An interval below zero is no finding. A metric that says nothing costs the model a little on held-out rows, so
        its difference is slightly negative more often than not.
        """
        return self.delta.low is not None and self.delta.low > 0


def pairs_within(score: Floats, error: Bools, strata: NDArray[np.int64], clusters: Clusters) -> Statistic:
    """A function from cluster weights to the AUROC that compares rows of the same stratum only, float [draws].

    Strata may be folds (whose models are on different scales), predicted answers or question types. Strata with one
    class only hold no pair and take no part.
    """
    tables = []
    for stratum in np.unique(strata):
        rows = strata == stratum
        if error[rows].any() and not error[rows].all():
            tables.append(PairTable.build(score[rows], error[rows], clusters.at(rows)))

    def evaluate(weights: Weights) -> Floats:
        wins, pairs = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
        for table in tables:
            sums = table.sums(weights)
            wins += sums.wins
            pairs += sums.n_error * sums.n_right
        return ratio(wins, pairs)

    return evaluate


@dataclass(frozen=True, eq=False)
class ConfidenceFit:
    """Final confidence alone, cross-fitted on the rows that have a metric; metrics with the same rows share it.

    Attributes:
        used: bool [n of the frame], rows with the metric, the confidence and a verdict.
        rows: These rows, with the first confidence column as score.
        design: float [rows, p], spline columns of the confidence.
        fold: int [rows].
        statistic: From cluster weights to the AUROC of confidence alone, float [draws]; None where ``why_none`` says
            why nothing can be fitted.
        why_none: Empty when there is a statistic.
    """

    used: Bools
    rows: Scored
    design: Floats
    fold: NDArray[np.int64]
    statistic: Statistic | None
    why_none: str = ""

    @classmethod
    def of(
        cls,
        confidence: Floats,
        used: Bools,
        error: Floats,
        clusters: Clusters,
        *,
        n_folds: int = N_FOLDS,
        seed: int = 0,
    ) -> ConfidenceFit:
        """Fit error [n] on splines of confidence float [n, k], on the rows ``used``."""
        rows = Scored.of(np.where(used, confidence[:, 0], np.nan), error, clusters)
        reason = rows.why_none or _too_small_to_fit(rows, n_folds)
        if reason:
            return cls(used, rows, confidence[used], np.zeros(rows.error.size, dtype=np.int64), None, reason)
        design = np.hstack([spline(column) for column in confidence[used].T])
        fold = grouped_folds(rows.clusters, rows.error, n_folds=n_folds, seed=seed)
        score = cross_fitted(design, rows.error, fold)
        return cls(used, rows, design, fold, pairs_within(score, rows.error, fold, rows.clusters))

    def with_metric(self, metric: Floats) -> Statistic | None:
        """From cluster weights to the AUROC of confidence and metric float [n of the frame]; None if it is constant."""
        values = metric[self.used]
        if self.statistic is None or np.ptp(values) == 0:
            return None
        score = cross_fitted(np.column_stack([self.design, values]), self.rows.error, self.fold)
        return pairs_within(score, self.rows.error, self.fold, self.rows.clusters)

    def gain(self, both: Statistic | None, draws: tuple[Floats, Floats] | None) -> Gain:
        """Make a `Gain` of bootstrap draws of ``statistic`` and of ``both``, from the same weights."""
        sizes = self.rows.sizes
        if self.statistic is None or both is None or draws is None:
            reason = self.why_none or "the value is the same in all rows"
            none = sizes.missing(join_notes(self.rows.note, reason), METHOD)
            return Gain(none, none, none)
        ones = np.ones((self.rows.clusters.count, 1))
        alone, together = float(self.statistic(ones)[0]), float(both(ones)[0])
        method = f"cross-fitted on grouped folds, paired {METHOD}, {draws[0].size} draws"
        lines = ((alone, draws[0]), (together, draws[1]), (together - alone, draws[1] - draws[0]))
        first, second, delta = (
            percentile_estimate(value, line, sizes, method, self.rows.note) for value, line in lines
        )
        return Gain(first, second, delta)


def delta_auroc(
    metric: ArrayLike,
    baseline: Sequence[ArrayLike],
    error: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    n_folds: int = N_FOLDS,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Gain:
    """Gain in AUROC of error from adding a metric to final confidence.

    Logistic regressions of error on splines of the baseline, without and with the metric, are fitted on grouped folds;
    the scores of held-out rows are compared within folds. The interval is a paired bootstrap of whole clusters with
    the folds and fits held fixed.

    Args:
        metric: float [n], any direction.
        baseline: Final confidence, one or more float [n]: the final margin, or final probability.
        error: [n], 1 for a wrong answer.
        clusters: Labels [n].
        n_folds: Number of folds.
        n_draws: Bootstrap draws.
        seed: Of folds and draws.

    Returns:
        The gain; estimates say why when they have no value or interval.

    Raises:
        ValueError: There is no baseline.
    """
    if not baseline:
        raise ValueError("a gain is over a baseline; pass the final margin or the final probability")
    groups = clusters if isinstance(clusters, Clusters) else Clusters.of(clusters)
    values, wrong = np.asarray(metric, dtype=np.float64), np.asarray(error, dtype=np.float64)
    confidence = np.stack([np.asarray(column, dtype=np.float64) for column in baseline], axis=1)
    fit = ConfidenceFit.of(
        confidence, usable_rows(values, confidence, wrong), wrong, groups, n_folds=n_folds, seed=seed
    )
    both = fit.with_metric(values)
    if fit.statistic is None or both is None:
        return fit.gain(both, None)
    draws = bootstrap(groups, [fit.statistic, both], n_draws=n_draws, seed=seed)
    return fit.gain(both, (draws[0], draws[1]))


def usable_rows(metric: Floats, confidence: Floats, error: Floats) -> Bools:
    """Rows with a metric [n], a confidence [n, k] and a verdict [n]: bool [n]."""
    return np.asarray(np.isfinite(metric) & np.isfinite(confidence).all(axis=1) & np.isfinite(error))


def _too_small_to_fit(rows: Scored, n_folds: int) -> str:
    fewest = max(MIN_CLASS, n_folds)
    with_error = np.unique(rows.clusters.codes[rows.error]).size
    with_right = np.unique(rows.clusters.codes[~rows.error]).size
    if min(with_error, with_right) >= fewest:
        return ""
    return (
        f"too small to cross-fit: errors in {with_error} and right answers in {with_right} of "
        f"{rows.sizes.n_clusters} clusters, at least {fewest} of each are needed"
    )
