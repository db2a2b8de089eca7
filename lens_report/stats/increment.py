"""Does a metric say anything about errors that final confidence does not? A logistic regression with robust errors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from statsmodels.discrete.discrete_model import Logit
from statsmodels.tools.sm_exceptions import PerfectSeparationError

from lens_report.stats.clusters import Clusters
from lens_report.stats.cross_fitting import spline
from lens_report.stats.results import MIN_CLASS, Sizes, beyond_rounding, join_notes
from lens_report.stats.scored import Scored

Floats = NDArray[np.float64]
METHOD = "logistic regression, cluster-robust Wald test"
EVENTS_PER_COLUMN = 5


@dataclass(frozen=True)
class Increment:
    """What a metric adds to a regression of error on final confidence.

    Attributes:
        log_odds_ratio: Change of the log-odds of error for one standard deviation of the metric, nats.
        low: Lower end of its 95 % interval from cluster-robust errors.
        high: Upper end.
        p_wald: Cluster-robust Wald test. A likelihood ratio would take the rows as independent and be too small.
        n: Rows used.
        n_clusters: Clusters among them.
        n_errors: Errors among them.
        note: Why there is no result, or what was left out.
    """

    log_odds_ratio: float | None
    low: float | None
    high: float | None
    p_wald: float | None
    n: int
    n_clusters: int
    n_errors: int
    note: str = ""
    method: str = METHOD

    @classmethod
    def missing(cls, sizes: Sizes, note: str) -> Increment:
        """No result, for the reason given."""
        return cls(None, None, None, None, sizes.n, sizes.n_clusters, sizes.n_errors or 0, note)


def logistic_increment(
    metric: ArrayLike,
    error: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    margin: ArrayLike,
    entropy: ArrayLike | None = None,
    categories: Sequence[ArrayLike] = (),
) -> Increment:
    """Regress error on a spline of the final margin, final entropy and categories, then add the metric.

    Args:
        metric: float [n].
        error: [n], 1 for a wrong answer.
        clusters: Labels [n].
        margin: Final margin or other final confidence, float [n]; entered as a cubic spline.
        entropy: Final entropy in nats, float [n]; None to leave it out.
        categories: Predicted answer, question type: labels [n] each, entered as indicators. Levels with fewer than
            five errors or five right answers are merged.

    Returns:
        Coefficient of the standardised metric with its test; a note says why when there is none.
    """
    groups = Clusters.of(clusters)
    columns = [np.asarray(margin, dtype=np.float64)]
    if entropy is not None:
        columns.append(np.asarray(entropy, dtype=np.float64))
    known = np.isfinite(np.stack(columns)).all(axis=0)
    values = np.asarray(metric, dtype=np.float64)
    rows = Scored.of(np.where(known, values, np.nan), error, groups)
    used = known & np.isfinite(values) & np.isfinite(np.asarray(error, dtype=np.float64))
    reason = rows.why_none or rows.sizes.too_small
    if reason:
        return Increment.missing(rows.sizes, join_notes(rows.note, reason))
    labels = [np.asarray(pd.Series(category), dtype=object)[used] for category in categories]
    design = baseline_design([column[used] for column in columns], labels, rows.error)
    standard = (rows.score - rows.score.mean()) / rows.score.std()
    return _fit(design, standard, rows)


def baseline_design(columns: Sequence[Floats], labels: Sequence[NDArray[Any]], error: NDArray[np.bool_]) -> Floats:
    """Constant, spline of the first column, the other columns and indicators, without redundant columns: [n, p]."""
    parts = [np.ones((error.size, 1)), spline(columns[0]), *(column[:, None] for column in columns[1:])]
    for label in labels:
        merged = merge_rare(label, error)
        parts += [(merged == level).astype(np.float64)[:, None] for level in np.unique(merged)[1:]]
    return independent_columns(np.hstack(parts))


def merge_rare(label: NDArray[Any], error: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Codes [n] of labels [n]; levels with fewer than `MIN_CLASS` errors or right answers share one code, -1."""
    codes = pd.factorize(pd.Series(label), use_na_sentinel=False)[0].astype(np.int64)
    wrong = np.bincount(codes, weights=error)
    rare = np.minimum(wrong, np.bincount(codes) - wrong) < MIN_CLASS
    return np.where(rare[codes], -1, codes)


def independent_columns(design: Floats) -> Floats:
    """The columns [n, p] with those left out that are combinations of earlier ones, each scaled to unit deviation."""
    spread = design.std(axis=0)
    varies = beyond_rounding(spread, len(design), np.abs(design).max(axis=0))
    scaled = np.where(varies, (design - design.mean(axis=0)) / np.where(varies, spread, 1.0), design)
    kept: list[int] = []
    basis = np.zeros((design.shape[0], 0))
    for index, column in enumerate(scaled.T):
        rest = column - basis @ (basis.T @ column)
        size = np.linalg.norm(rest)
        if size > 1e-6 * np.sqrt(column.size):
            kept.append(index)
            basis = np.column_stack([basis, rest / size])
    return scaled[:, kept]


def _fit(design: Floats, metric: Floats, rows: Scored) -> Increment:
    sizes = rows.sizes
    full = independent_columns(np.column_stack([design, metric]))
    if full.shape[1] == design.shape[1]:
        return Increment.missing(sizes, join_notes(rows.note, "the metric is a function of final confidence"))
    if min(sizes.n_errors or 0, sizes.n - (sizes.n_errors or 0)) < EVENTS_PER_COLUMN * full.shape[1]:
        return Increment.missing(
            sizes,
            join_notes(
                rows.note,
                f"too few errors or right answers for {full.shape[1]} columns, {EVENTS_PER_COLUMN} each are needed",
            ),
        )
    try:
        # A fit that warns (separation, no convergence, singular Hessian) is no result; an overflow on the way is fine.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", RuntimeWarning)
            wrong, groups = rows.error.astype(np.float64), {"groups": rows.clusters.codes}
            fit = Logit(wrong, full, check_rank=False).fit(disp=0, maxiter=100, cov_type="cluster", cov_kwds=groups)
    except (PerfectSeparationError, np.linalg.LinAlgError, Warning) as problem:
        return Increment.missing(sizes, join_notes(rows.note, f"the regression did not converge: {problem}"))
    low, high = np.asarray(fit.conf_int())[-1]
    if not np.isfinite([low, high]).all():
        return Increment.missing(sizes, join_notes(rows.note, "the regression did not converge: no finite interval"))
    return Increment(
        float(fit.params[-1]),
        float(low),
        float(high),
        float(fit.pvalues[-1]),
        sizes.n,
        sizes.n_clusters,
        sizes.n_errors or 0,
        rows.note,
    )
