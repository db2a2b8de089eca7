"""The headline: how much better errors are ranked by final confidence and a metric than by final confidence alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_report.stats.auroc import Auroc, auroc, difference, estimate
from lens_report.stats.clusters import Clusters
from lens_report.stats.cross_fitting import N_FOLDS, cross_fitted, grouped_folds, spline
from lens_report.stats.results import MIN_CLASS, Estimate, join_notes
from lens_report.stats.scored import Bools, Floats, Scored

METHOD = "cross-fitted on grouped folds"


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


@dataclass(frozen=True, eq=False)
class ConfidenceFit:
    """Final confidence alone, cross-fitted on the rows that have a metric; metrics with the same rows share it.

    Attributes:
        used: bool [n of the frame], rows with the metric, the confidence and a verdict.
        rows: These rows, with the first confidence column as score.
        design: float [rows, p], spline columns of the confidence.
        fold: int [rows]; pairs are compared within folds, whose models are on different scales.
        alone: AUROC of confidence alone; None where ``why_none`` says why nothing can be fitted.
        why_none: Empty when there is a fit.
    """

    used: Bools
    rows: Scored
    design: Floats
    fold: NDArray[np.int64]
    alone: Auroc | None
    why_none: str = ""

    @classmethod
    def of(
        cls,
        confidence: Floats,
        used: Bools,
        error: Floats,
        clusters: Clusters,
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
        return cls(used, rows, design, fold, auroc(cross_fitted(design, rows.error, fold), rows.error, fold))

    def gain(self, metric: Floats) -> Gain:
        """What a metric float [n of the frame] adds."""
        rows, values = self.rows, metric[self.used]
        reason = self.why_none or ("" if np.ptp(values) else "the value is the same in all rows")
        if self.alone is None or reason:
            none = rows.sizes.missing(join_notes(rows.note, reason), METHOD)
            return Gain(none, none, none)
        score = cross_fitted(np.column_stack([self.design, values]), rows.error, self.fold)
        both = auroc(score, rows.error, self.fold)
        return Gain(
            estimate(self.alone, rows.error, rows.clusters, rows.note),
            estimate(both, rows.error, rows.clusters, rows.note),
            difference(self.alone, both, rows.error, rows.clusters, rows.note),
        )


def delta_auroc(
    metric: ArrayLike,
    baseline: Sequence[ArrayLike],
    error: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    n_folds: int = N_FOLDS,
    seed: int = 0,
) -> Gain:
    """Gain in AUROC of error from adding a metric to final confidence.

    Logistic regressions of error on splines of the baseline, without and with the metric, are fitted on grouped folds;
    the scores of held-out rows are compared within folds. The interval holds folds and fits fixed.

    Args:
        metric: float [n], any direction.
        baseline: Final confidence, one or more float [n]: the final margin, or final probability.
        error: [n], 1 for a wrong answer.
        clusters: Labels [n].
        n_folds: Number of folds.
        seed: Of the folds.

    Returns:
        The gain; estimates say why when they have no value or interval.

    Raises:
        ValueError: There is no baseline.
    """
    if not baseline:
        raise ValueError("a gain is over a baseline; pass the final margin or the final probability")
    values, wrong = np.asarray(metric, dtype=np.float64), np.asarray(error, dtype=np.float64)
    confidence = np.stack([np.asarray(column, dtype=np.float64) for column in baseline], axis=1)
    used = usable_rows(values, confidence, wrong)
    return ConfidenceFit.of(confidence, used, wrong, Clusters.of(clusters), n_folds, seed).gain(values)


def usable_rows(metric: Floats, confidence: Floats, error: Floats) -> Bools:
    """Rows with a metric [n], a confidence [n, k] and a verdict [n]: bool [n]."""
    return np.asarray(np.isfinite(metric) & np.isfinite(confidence).all(axis=1) & np.isfinite(error))


def _too_small_to_fit(rows: Scored, n_folds: int) -> str:
    fewest = max(MIN_CLASS, n_folds)
    with_error, with_right = (rows.clusters.at(part).n_present() for part in (rows.error, ~rows.error))
    if min(with_error, with_right) >= fewest:
        return ""
    return (
        f"too small to cross-fit: errors in {with_error} and right answers in {with_right} of "
        f"{rows.sizes.n_clusters} clusters, at least {fewest} of each are needed"
    )
