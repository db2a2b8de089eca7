"""AUROC, AUPRC, Spearman and point-biserial correlation of a score with errors, with clustered bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_report.stats.clusters import N_DRAWS, Clusters, Statistic, Weights, bootstrap
from lens_report.stats.ranked_pairs import ratio
from lens_report.stats.ranks import RankTable
from lens_report.stats.results import Estimate, Sizes, join_notes, percentile_estimate

Floats = NDArray[np.float64]
METHOD = "cluster percentile bootstrap"
MEASURES = ("auroc", "auprc", "spearman", "point_biserial")


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


@dataclass(frozen=True, eq=False)
class Scored:
    """A score, errors and clusters of the rows that have all of them; the clusters keep their codes.

    Attributes:
        score: float [n].
        error: bool [n].
        clusters: of these n rows.
        note: How many rows were left out for want of a score; empty when none.
    """

    score: Floats
    error: NDArray[np.bool_]
    clusters: Clusters
    note: str = ""

    @classmethod
    def of(cls, score: ArrayLike, error: ArrayLike, clusters: Clusters | ArrayLike) -> Scored:
        """Rows where score [n] is finite and error [n] (1 or True for a wrong answer) is known.

        Raises:
            ValueError: The lengths differ.
        """
        values, wrong = np.asarray(score, dtype=np.float64), np.asarray(error, dtype=np.float64)
        groups = clusters if isinstance(clusters, Clusters) else Clusters.of(clusters)
        if not values.shape == wrong.shape == groups.codes.shape:
            raise ValueError(
                f"score, error and clusters have one entry a row, found {values.shape}, {wrong.shape}, "
                f"{groups.codes.shape}"
            )
        known = np.isfinite(values) & np.isfinite(wrong)
        left_out = int((~known).sum())
        note = f"{left_out} of {known.size} rows have no value" if left_out else ""
        return cls(values[known], wrong[known] > 0, groups.at(known), note)

    @property
    def sizes(self) -> Sizes:
        """Rows, clusters and errors."""
        return Sizes(self.error.size, self.clusters.n_present(), int(self.error.sum()))

    @property
    def why_none(self) -> str:
        """Why no association can be given at all; empty when one can."""
        if not self.error.size:
            return "no rows with a value and a verdict"
        if self.error.all() or not self.error.any():
            return "all answers are wrong" if self.error.all() else "no answer is wrong"
        return "the value is the same in all rows" if np.ptp(self.score) == 0 else ""


def associate(
    score: ArrayLike,
    error: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Association:
    """Association of one score with errors.

    Args:
        score: float [n]; high values are meant to go with errors. Rows with NaN are left out and counted.
        error: [n], 1 or True for a wrong answer, NaN where unknown.
        clusters: Labels [n] of what was sampled independently (the image, the pair).
        n_draws: Bootstrap draws.
        seed: Of the draws.

    Returns:
        The four measures; each says why when it has no value or interval.
    """
    rows = Scored.of(score, error, clusters)
    if rows.why_none:
        return describe(rows, None)
    draws = bootstrap(rows.clusters, [measures(rows)], n_draws=n_draws, seed=seed)[0]
    return describe(rows, draws)


def measures(rows: Scored) -> Statistic:
    """A function from cluster weights to the `MEASURES`, float [4, draws]."""
    table = RankTable.build(rows.score, rows.error, rows.clusters)
    centred = rows.score - rows.score.mean()
    error = rows.error.astype(np.float64)
    columns = np.stack([np.ones_like(error), error, centred, centred**2, centred * error], axis=1)
    sums = rows.clusters.sums(columns).T

    def evaluate(weights: Weights) -> Floats:
        ranks = table.evaluate(weights)
        return np.stack([ranks.pairs.auroc, ranks.auprc, ranks.spearman, _correlation(sums @ weights)])

    return evaluate


def describe(rows: Scored, draws: Floats | None) -> Association:
    """Make an `Association` of bootstrap draws, float [4, draws] in the order of `MEASURES`.

    ``draws`` may be None where ``rows.why_none`` says why.
    """
    sizes = rows.sizes
    prevalence = sizes.n_errors / sizes.n if sizes.n and sizes.n_errors is not None else None
    if draws is None:
        none = sizes.missing(join_notes(rows.note, rows.why_none), METHOD)
        return Association(none, none, none, none, prevalence)
    values = measures(rows)(np.ones((rows.clusters.count, 1)))[:, 0]
    method = f"{METHOD}, {draws.shape[1]} draws"
    found = [
        percentile_estimate(float(value), line, sizes, method, rows.note)
        for value, line in zip(values, draws, strict=True)
    ]
    return Association(found[0], found[1], found[2], found[3], prevalence)


def _correlation(sums: Floats) -> Floats:
    """Pearson correlation from weighted sums of 1, e, x, x^2, x e: float [5, draws] -> float [draws]."""
    n, errors, total, squares, products = sums
    covariance = n * products - total * errors
    variance = (n * squares - total**2) * (n * errors - errors**2)
    return ratio(covariance, np.sqrt(np.maximum(variance, 0.0)))
