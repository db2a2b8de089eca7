"""AUROC, AUPRC, Spearman and point-biserial correlation of a score with errors, with clustered intervals.

All variances are those of influence functions summed within clusters; see `lens_report.stats.auroc`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from lens_report.stats.auroc import METHOD, Auroc, auroc, auroc_estimate
from lens_report.stats.clusters import Clusters
from lens_report.stats.results import Estimate, fisher_interval, join_notes, logit_interval
from lens_report.stats.scored import Bools, Floats, Scored

INFLUENCE = "influence function, clustered"


@dataclass(frozen=True)
class Association:
    """How a score goes together with errors; high scores are meant to go with errors.

    Attributes:
        auroc: Probability that an error has a higher score than a right answer, ties half; .5 is chance.
        auprc: Average precision for errors; its chance level is ``prevalence``.
        spearman: Rank correlation with error (1 wrong, 0 right).
        point_biserial: Pearson correlation with error.
        prevalence: Share of errors; None without rows.
    """

    auroc: Estimate
    auprc: Estimate
    spearman: Estimate
    point_biserial: Estimate
    prevalence: float | None


def associate(score: ArrayLike, error: ArrayLike, clusters: Clusters | ArrayLike) -> Association:
    """Association of one score with errors.

    Args:
        score: float [n]; high values are meant to go with errors. Rows with NaN are left out and counted.
        error: [n], 1 or True for a wrong answer, NaN where unknown.
        clusters: Labels [n] of what was sampled independently (the image, the pair).

    Returns:
        The four measures; each says why when it has no value or interval.
    """
    rows = Scored.of(score, error, clusters)
    sizes = rows.sizes
    prevalence = sizes.n_errors / sizes.n if sizes.n and sizes.n_errors is not None else None
    if rows.why_none:
        none = sizes.missing(join_notes(rows.note, rows.why_none), METHOD)
        return Association(none, none, none, none, prevalence)
    area = auroc(rows.score, rows.error)
    return Association(
        auroc_estimate(rows),
        _estimate(rows, *average_precision(rows.score, rows.error), logit=True),
        _estimate(rows, *spearman(rows.score, rows.error, area)),
        _estimate(rows, *point_biserial(rows.score, rows.error)),
        prevalence,
    )


def average_precision(score: Floats, error: Bools) -> tuple[float, Floats]:
    """Average precision for errors, as scikit-learn defines it, and the influence of each row, float [n].

    With G(s) and P(s) the shares of rows and of errors with scores of at least s, it is the mean over the errors of
    P / G at their scores. A row enters through its own term and through P and G at all lower errors.
    """
    levels, place, counts = np.unique(-score, return_inverse=True, return_counts=True)
    errors = np.bincount(place, weights=error, minlength=levels.size)
    reached, found = np.cumsum(counts), np.cumsum(errors)
    precision = found / reached
    n_error = errors.sum()
    value = float(errors @ precision / n_error)
    # Sums over the errors with scores of at most that of the row: of 1 / G, and of P / G^2.
    by_found = np.cumsum((errors / reached)[::-1])[::-1]
    by_reached = np.cumsum((errors * found / reached**2)[::-1])[::-1]
    wrong = error.astype(np.float64)
    influence = wrong * (precision + by_found)[place] - by_reached[place] - value * wrong
    return value, np.asarray(influence / n_error, dtype=np.float64)


def spearman(score: Floats, error: Bools, area: Auroc) -> tuple[float, Floats]:
    """Spearman correlation of score and error, mid-ranks for ties, and the influence of each row, float [n].

    With a binary variable it is (AUROC - 1/2) sqrt(p (1 - p)) / s, where s^2 = (1 - E[t^2]) / 12 is the variance of the
    mid-ranks divided by n and t the share of rows with the same score.
    """
    n, wrong = score.size, error.astype(np.float64)
    share = wrong.mean()
    ties = (rankdata(score, "max") - rankdata(score, "min") + 1) / n
    ties_squared = float(np.mean(ties**2))
    spread, deviation = np.sqrt(share * (1 - share)), np.sqrt((1 - ties_squared) / 12)
    value = (area.value - 0.5) * spread / deviation
    of_share = (1 - 2 * share) / (2 * share * (1 - share)) * (wrong - share) / n
    of_ties = 3 * (ties**2 - ties_squared) / (24 * deviation**2) / n
    return float(value), area.influence * spread / deviation + value * (of_share + of_ties)


def point_biserial(score: Floats, error: Bools) -> tuple[float, Floats]:
    """Pearson correlation of score and error, and the influence of each row, float [n]: z w - r (z^2 + w^2) / 2."""
    wrong = error.astype(np.float64)
    first, second = ((one - one.mean()) / one.std() for one in (score, wrong))
    value = float(np.mean(first * second))
    return value, (first * second - value * (first**2 + second**2) / 2) / score.size


def _estimate(rows: Scored, value: float, influence: Floats, *, logit: bool = False) -> Estimate:
    """An estimate with its interval: on the logit scale for shares, on Fisher's for correlations."""
    sizes = rows.sizes
    if sizes.too_small:
        return sizes.estimate(value, None, None, INFLUENCE, join_notes(rows.note, sizes.too_small))
    spread = rows.clusters.standard_error(influence)
    if abs(value) >= 1 or (logit and value <= 0):
        note = join_notes(rows.note, "no interval: errors and right answers do not overlap")
        return sizes.estimate(value, None, None, INFLUENCE, note)
    low, high = (logit_interval if logit else fisher_interval)(value, spread, sizes.n_clusters)
    return sizes.estimate(value, low, high, INFLUENCE, rows.note)
