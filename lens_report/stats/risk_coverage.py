"""Answering only where a score is low: risk of error by coverage, its area, and two scores against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from lens_report.stats.clusters import Clusters, Weights, bootstrap
from lens_report.stats.ranked_pairs import by_row, running_sums
from lens_report.stats.results import (
    Estimate,
    Sizes,
    beyond_rounding,
    interval_levels,
    join_notes,
    percentile_estimate,
)

Floats = NDArray[np.float64]
COVERAGE = np.linspace(0.05, 1.0, 20)
"""Shares of the answers that are kept, at which the curve is given."""
N_DRAWS = 2_000
METHOD = "cluster percentile bootstrap"


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """What abstaining by a score leaves of the errors.

    Attributes:
        aurc: Area under the risk-coverage curve: mean over k = 1..n of the share of errors among the k answers with the
            lowest scores (Geifman and El-Yaniv 2017, arXiv:1705.08500). Rows with equal scores come in every order,
            and the mean over these orders is taken. Abstaining at random leaves the share of errors.
        coverage: float [K], share of the answers kept.
        risk: float [K], share of errors among them.
        low: float [K], pointwise 95 % interval; NaN where none is given.
        high: float [K].
        difference: This area minus that of the baseline, from the same draws; None for the baseline itself.
        p_value: Two-sided t test of the difference with the bootstrap's standard error; None without an interval.
    """

    aurc: Estimate
    coverage: Floats
    risk: Floats
    low: Floats
    high: Floats
    difference: Estimate | None
    p_value: float | None


def risk_coverage(
    scores: Mapping[str, ArrayLike],
    error: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    baseline: str,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> dict[str, RiskCoverage]:
    """Risk-coverage curves of several scores on the same rows, each compared with one of them.

    Args:
        scores: Name -> float [n]; answers with high values are given up first. Rows in which any score is missing are
            left out for all, so that the areas compare.
        error: [n], 1 for a wrong answer, NaN where unknown.
        clusters: Labels [n].
        baseline: Name of the score that the others are compared with.
        n_draws: Bootstrap draws.
        seed: Of the draws.

    Returns:
        Name -> curve, in the order given.
    """
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}
    wrong = np.asarray(error, dtype=np.float64)
    known = np.isfinite(wrong) & np.all([np.isfinite(values) for values in columns.values()], axis=0)
    groups = (clusters if isinstance(clusters, Clusters) else Clusters.of(clusters)).at(known)
    mistakes = wrong[known] > 0
    sizes = Sizes(mistakes.size, groups.n_present(), int(mistakes.sum()))
    left_out = int((~known).sum())
    note = f"{left_out} of {known.size} rows lack a score" if left_out else ""
    if not sizes.n:
        none, empty = sizes.missing(join_notes(note, "no rows with all scores")), np.full(COVERAGE.size, np.nan)
        return {
            name: RiskCoverage(none, COVERAGE, empty, empty, empty, None if name == baseline else none, None)
            for name in columns
        }
    tables = {name: _Table.build(values[known], mistakes, groups) for name, values in columns.items()}
    draws = dict(
        zip(
            tables,
            bootstrap(groups, [one.evaluate for one in tables.values()], n_draws=n_draws, seed=seed, n_rows=sizes.n),
            strict=True,
        )
    )
    once = np.ones((groups.count, 1))
    points = {name: table.evaluate(once)[:, 0] for name, table in tables.items()}
    return {
        name: _curve(points[name], draws[name], sizes, note, _against(name, baseline, points, draws, sizes, note))
        for name in columns
    }


Difference = tuple[Estimate | None, float | None]


def _curve(point: Floats, draws: Floats, sizes: Sizes, note: str, difference: Difference) -> RiskCoverage:
    aurc = percentile_estimate(float(point[0]), draws[0], sizes, METHOD, note)
    if aurc.low is None:
        low = high = np.full(COVERAGE.size, np.nan)
    else:
        low, high = np.nanquantile(draws[1:], interval_levels(sizes.n_clusters), axis=1)
    return RiskCoverage(aurc, COVERAGE, point[1:], low, high, *difference)


def _against(
    name: str, baseline: str, points: Mapping[str, Floats], draws: Mapping[str, Floats], sizes: Sizes, note: str
) -> Difference:
    """Area of a score minus that of the baseline, with the p-value of the test against none."""
    if name == baseline:
        return None, None
    value, gaps = float(points[name][0] - points[baseline][0]), draws[name][0] - draws[baseline][0]
    found = percentile_estimate(value, gaps, sizes, f"paired {METHOD}", note)
    spread = float(np.nanstd(gaps, ddof=1)) if gaps.size > 1 else 0.0
    if found.low is None or not beyond_rounding(spread, sizes.n):
        return found, None
    return found, float(2 * student.sf(abs(value) / spread, sizes.n_clusters - 1))


@dataclass(frozen=True, eq=False)
class _Table:
    """Rows and errors at each distinct score, lowest first, by cluster: sparse [levels, clusters].

    The first of the levels is empty, and so are those from ``end`` on; see `lens_report.stats.ranked_pairs.by_row`.
    """

    rows: Any
    errors: Any
    end: int

    @classmethod
    def build(cls, score: Floats, error: NDArray[np.bool_], clusters: Clusters) -> _Table:
        levels, place = np.unique(score, return_inverse=True)
        return cls(
            by_row(place + 1, clusters.codes, clusters, levels.size + 1),
            by_row(place[error] + 1, clusters.codes[error], clusters, levels.size + 1),
            levels.size + 1,
        )

    def evaluate(self, weights: Weights) -> Floats:
        """Area and risk at each coverage: float [1 + K, draws], for weights float [clusters, draws]."""
        size, wrong = self.rows @ weights, self.errors @ weights
        upto, mistakes = running_sums(size), running_sums(wrong)
        harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, int(upto[-1].max()) + 1))])
        # Within a level the risk after k answers is rate + (errors before - before x rate) / k; summed over its k.
        # A level that was not drawn has no rows and no errors: a rate of 0 / 1.
        rate = np.divide(wrong, np.maximum(size, 1.0, out=size), out=size)
        area = rate[1:]
        np.subtract(mistakes[:-1], np.multiply(upto[:-1], area, out=area), out=area)
        area *= np.diff(harmonic.take(upto.astype(np.intp)), axis=0)
        area += wrong[1:]
        # Without the empty levels, whose number would change how numpy groups what it adds up.
        return np.concatenate([area[: self.end - 1].sum(axis=0, keepdims=True) / upto[-1], _risks(upto, mistakes)])


def _risks(upto: Floats, mistakes: Floats) -> Floats:
    """Risk at each coverage, errors spread evenly within a level: float [levels, draws] -> float [K, draws]."""
    out = np.empty((COVERAGE.size, upto.shape[1]))
    for draw in range(upto.shape[1]):
        kept = COVERAGE * upto[-1, draw]
        found = np.interp(kept, upto[:, draw], mistakes[:, draw])
        out[:, draw] = found / kept
    return out
