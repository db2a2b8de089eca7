"""Answering only where a score is low: risk of error by coverage, its area, and two scores against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from lens_report.stats.clusters import Clusters
from lens_report.stats.results import (
    Estimate,
    Sizes,
    beyond_rounding,
    join_notes,
    logit_interval,
    share_interval,
    t_interval,
)
from lens_report.stats.scored import Bools, Floats

COVERAGE = np.linspace(0.05, 1.0, 20)
"""Shares of the answers that are kept, at which the curve is given."""
METHOD = "influence function, clustered"


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
        difference: This area minus that of the baseline on the same rows; None for the baseline itself.
        p_value: Two-sided paired t test of the difference; None without an interval.
    """

    aurc: Estimate
    coverage: Floats
    risk: Floats
    low: Floats
    high: Floats
    difference: Estimate | None
    p_value: float | None


def risk_coverage(
    scores: Mapping[str, ArrayLike], error: ArrayLike, clusters: Clusters | ArrayLike, *, baseline: str
) -> dict[str, RiskCoverage]:
    """Risk-coverage curves of several scores on the same rows, each compared with one of them.

    Args:
        scores: Name -> float [n]; answers with high values are given up first. Rows in which any score is missing are
            left out for all, so that the areas compare.
        error: [n], 1 for a wrong answer, NaN where unknown.
        clusters: Labels [n].
        baseline: Name of the score that the others are compared with.

    Returns:
        Name -> curve, in the order given.
    """
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}
    wrong = np.asarray(error, dtype=np.float64)
    known = np.isfinite(wrong) & np.all([np.isfinite(values) for values in columns.values()], axis=0)
    groups, mistakes = Clusters.of(clusters).at(known), wrong[known] > 0
    sizes = Sizes(mistakes.size, groups.n_present(), int(mistakes.sum()))
    left_out = int((~known).sum())
    note = f"{left_out} of {known.size} rows lack a score" if left_out else ""
    if not sizes.n:
        none, empty = sizes.missing(join_notes(note, "no rows with all scores"), METHOD), np.full(COVERAGE.size, np.nan)
        return {
            name: RiskCoverage(none, COVERAGE, empty, empty, empty, None if name == baseline else none, None)
            for name in columns
        }
    areas = {name: area(values[known], mistakes) for name, values in columns.items()}
    found = {}
    for name, values in columns.items():
        gap, p_value = (None, None) if name == baseline else _against(areas[baseline], areas[name], groups, sizes, note)
        curve = _curve(values[known], mistakes, groups, sizes)
        found[name] = RiskCoverage(_estimate(*areas[name], groups, sizes, note), COVERAGE, *curve, gap, p_value)
    return found


def area(score: Floats, error: Bools) -> tuple[float, Floats]:
    """Area under the risk-coverage curve and the influence of each row on it, float [n].

    The area is the mean over the rows of error x h(rank), h(k) = sum of 1 / j over j = k .. n: an error at rank k
    counts in the risk of every larger coverage. For tied rows h is averaged over their ranks. One more row at a score
    raises the rank of every row from there on, which takes 1 / rank off each error's h.
    """
    n = score.size
    order, levels, place, sizes = _levels(score)
    tails = np.append(np.cumsum((1.0 / np.arange(1, n + 1))[::-1])[::-1], 0.0)
    averaged = np.add.reduceat(tails[:n], order)[place] / sizes[place]
    wrong = error.astype(np.float64)
    value = float(wrong @ averaged / n)
    errors = np.bincount(place, weights=wrong, minlength=levels)
    inverse_rank = np.add.reduceat(1.0 / np.arange(1, n + 1), order)  # summed over the ranks of each level
    rate = errors / sizes
    # Errors at or beyond the row, each weighed by 1 / rank; within the own level every order is as likely.
    beyond = np.append(np.cumsum((rate * inverse_rank)[::-1])[::-1], 0.0)
    passed = 0.5 * (beyond[place] + beyond[place + 1])
    influence = wrong * averaged - value - (passed - float(passed.mean()))
    return value, (influence - influence.mean()) / n


def _levels(score: Floats) -> tuple[np.ndarray, int, np.ndarray, Floats]:
    """Where each distinct score begins among the sorted rows, their number, the level of each row, their sizes."""
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    return np.cumsum(counts) - counts, counts.size, place, counts.astype(np.float64)


def _estimate(value: float, influence: Floats, clusters: Clusters, sizes: Sizes, note: str) -> Estimate:
    if sizes.too_small:
        return sizes.estimate(value, None, None, METHOD, join_notes(note, sizes.too_small))
    if not 0 < value < 1:
        return sizes.estimate(value, None, None, METHOD, join_notes(note, "no interval: all risks are the same"))
    low, high = logit_interval(value, clusters.standard_error(influence), sizes.n_clusters)
    return sizes.estimate(value, low, high, METHOD, note)


def _against(
    base: tuple[float, Floats], own: tuple[float, Floats], clusters: Clusters, sizes: Sizes, note: str
) -> tuple[Estimate, float | None]:
    """Area of a score minus that of the baseline, with the p-value of the test against none."""
    gap, method = own[0] - base[0], f"paired {METHOD}"
    if sizes.too_small:
        return sizes.estimate(gap, None, None, method, join_notes(note, sizes.too_small)), None
    spread = clusters.standard_error(own[1] - base[1])
    found = sizes.estimate(gap, *t_interval(gap, spread, sizes.n_clusters), method, note)
    if not beyond_rounding(spread, sizes.n):
        return found, None
    return found, float(2 * student.sf(abs(gap) / spread, sizes.n_clusters - 1))


def _curve(score: Floats, error: Bools, clusters: Clusters, sizes: Sizes) -> tuple[Floats, Floats, Floats]:
    """Risk at each coverage with its pointwise interval: three float [K].

    A row that is kept changes the risk by (error - r) / n kept, with r the share of errors among the answers at the
    edge, which it pushes out; r is the slope of the number of errors kept between the neighbouring coverages.
    """
    n = sizes.n
    starts, _, place, counts = _levels(score)
    errors = np.cumsum(np.bincount(place, weights=error))
    edges, mistakes = np.append(0.0, starts + counts), np.append(0.0, errors)
    kept = COVERAGE * n
    total = np.interp(kept, edges, mistakes)
    risk = total / kept
    if sizes.too_small:
        return risk, np.full(risk.size, np.nan), np.full(risk.size, np.nan)
    slope = np.gradient(np.append(0.0, total), np.append(0.0, kept))[1:]
    share = np.clip((kept - edges[place][:, None]) / counts[place][:, None], 0.0, 1.0)
    influence = share * (error[:, None] - slope) / kept
    influence -= influence.mean(axis=0)
    ends = [
        share_interval(
            float(risk[k]), clusters.standard_error(column), kept[k], clusters.at(share[:, k] > 0).n_present()
        )
        for k, column in enumerate(influence.T)
    ]
    low, high = np.array(ends).T
    return risk, low, high
