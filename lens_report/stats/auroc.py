"""AUROC of error with its variance in closed form: of one score, within strata, by layer, and of two scores.

The AUROC is the share of pairs of an error and a right answer in which the error has the higher score, ties counted
half. Its first-order dependence on each row (DeLong, DeLong and Clarke-Pearson 1988) is

    influence = (pairs that the row wins - AUROC x pairs that the row is in) / all pairs,

which is summed within clusters, separately for errors and right answers, and squared (Obuchowski 1997). The difference
of two AUROCs of the same rows has the difference of the influences. Intervals are made on the logit scale, on which the
estimate is closer to normal near 0 and 1, with the t quantile of the number of clusters.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lens_report.stats.clusters import Clusters
from lens_report.stats.results import (
    Estimate,
    Sizes,
    join_notes,
    logit_interval,
    p_of_interval,
    t_interval,
    t_quantile,
    wilson,
)
from lens_report.stats.scored import Bools, Floats, Scored

METHOD = "clustered DeLong variance (Obuchowski 1997)"


@dataclass(frozen=True, eq=False)
class Auroc:
    """An AUROC and what it owes to each row.

    Attributes:
        value: Share of the pairs, 0 to 1; NaN without a pair.
        influence: float [n]; adds up to zero over the errors and over the right answers.
    """

    value: float
    influence: Floats


def auroc(score: Floats, error: Bools, strata: NDArray[np.int64] | None = None) -> Auroc:
    """AUROC of error of one score.

    Args:
        score: float [n] without NaN.
        error: bool [n].
        strata: int [n]; pairs are made within strata only (folds, predicted answers, question types). None for one.

    Returns:
        The AUROC over all pairs of the same stratum; a stratum with one class only holds none.
    """
    won, pairs = np.zeros(score.size), np.zeros(score.size)
    codes = np.zeros(score.size, dtype=np.int64) if strata is None else strata
    for code in np.unique(codes):
        wrong, right = (
            rows[np.argsort(score[rows])]
            for rows in (np.flatnonzero((codes == code) & error), np.flatnonzero((codes == code) & ~error))
        )
        won[wrong] = _below(score[right], score[wrong])  # ordered values are found several times faster
        won[right] = wrong.size - _below(score[wrong], score[right])
        pairs[wrong], pairs[right] = right.size, wrong.size
    total = float(pairs[error].sum())
    if not total:
        return Auroc(float("nan"), np.zeros(score.size))
    value = float(won[error].sum() / total)
    return Auroc(value, (won - value * pairs) / total)


def auroc_value(score: Floats, error: Bools) -> float:
    """The AUROC alone: two sorts of numbers and a merge, for loops over simulated scores; NaN with one class only."""
    wrong, right = np.sort(score[error]), np.sort(score[~error])
    return float(_below(right, wrong).sum() / (wrong.size * right.size)) if wrong.size and right.size else float("nan")


def auroc_value_of_counts(level: NDArray[np.integer[Any]], error: Bools) -> float:
    """The same of a score of small whole numbers from 0, which are counted in place of sorted."""
    counts = np.bincount(2 * level.astype(np.int64) + error, minlength=2)
    right, wrong = np.append(counts, [0] * (counts.size % 2)).reshape(-1, 2).T
    below = np.cumsum(right) - right / 2
    pairs = int(wrong.sum()) * int(right.sum())
    return float(wrong @ below / pairs) if pairs else float("nan")


def _below(ordered: Floats, values: Floats) -> Floats:
    """How many of the ordered numbers lie below each value, equal ones counted half."""
    found = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return found.astype(np.float64) / 2


def standard_error(influence: Floats, error: Bools, clusters: Clusters) -> float:
    """Standard error of an AUROC, or of a difference of two, from the influence of each row (Obuchowski 1997).

    Args:
        influence: float [n].
        error: bool [n], which of the two classes a row is of.
        clusters: Of the n rows; a cluster may hold rows of both classes.
    """
    sums = [clusters.at(rows).sums(influence[rows]) for rows in (error, ~error)]
    counts = [clusters.at(rows).n_present() for rows in (error, ~error)]
    wrong, right = (n / max(n - 1, 1) * float(one @ one) for n, one in zip(counts, sums, strict=True))
    n_clusters = clusters.n_present()
    both = 2 * n_clusters / max(n_clusters - 1, 1) * float(sums[0] @ sums[1])
    return float(np.sqrt(max(wrong + right + both, 0.0)))


def auroc_estimate(rows: Scored, strata: NDArray[np.int64] | None = None) -> Estimate:
    """AUROC of the rows with its interval; missing where ``rows.why_none`` or the strata leave no pair."""
    if rows.why_none:
        return rows.sizes.missing(join_notes(rows.note, rows.why_none), METHOD)
    return estimate(auroc(rows.score, rows.error, strata), rows.error, rows.clusters, rows.note)


def estimate(found: Auroc, error: Bools, clusters: Clusters, note: str = "") -> Estimate:
    """An AUROC with its interval, on the rows and clusters that it was computed from."""
    sizes = Sizes(error.size, clusters.n_present(), int(error.sum()))
    if not np.isfinite(found.value):
        return sizes.missing(join_notes(note, "no pair of an error and a right answer"), METHOD)
    if sizes.too_small:
        return sizes.estimate(found.value, None, None, METHOD, join_notes(note, sizes.too_small))
    spread = standard_error(found.influence, error, clusters)
    if 0 < found.value < 1 and spread > 0:
        low, high = logit_interval(found.value, spread, sizes.n_clusters)
    else:
        # All pairs are in one order, which leaves no spread: each cluster of the rarer class counts as one observation.
        fewest = min(clusters.at(rows).n_present() for rows in (error, ~error))
        low, high = wilson(found.value, fewest, t_quantile(sizes.n_clusters))
    return sizes.estimate(found.value, low, high, METHOD, note)


def difference(first: Auroc, second: Auroc, error: Bools, clusters: Clusters, note: str = "") -> Estimate:
    """AUROC of the second minus that of the first on the same rows, with a paired t interval."""
    sizes, method = Sizes(error.size, clusters.n_present(), int(error.sum())), f"paired {METHOD}"
    gap = second.value - first.value
    if not np.isfinite(gap):
        return sizes.missing(join_notes(note, "no pair of an error and a right answer"), method)
    if sizes.too_small:
        return sizes.estimate(gap, None, None, method, join_notes(note, sizes.too_small))
    spread = standard_error(second.influence - first.influence, error, clusters)
    return sizes.estimate(gap, *t_interval(gap, spread, sizes.n_clusters), method, note)


def paired_difference(
    score: ArrayLike, baseline: ArrayLike, error: ArrayLike, clusters: Clusters | ArrayLike
) -> tuple[Estimate, float | None]:
    """AUROC of error of a score minus that of a baseline, on the rows that have both.

    Args:
        score: float [n]; high values are meant to go with errors.
        baseline: float [n], likewise.
        error: [n], 1 for a wrong answer.
        clusters: Labels [n].

    Returns:
        The difference, and its two-sided p by the t distribution; no p without an interval.
    """
    values, other = np.asarray(score, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    both = np.isfinite(values) & np.isfinite(other)
    rows = Scored.of(np.where(both, values, np.nan), error, clusters)
    known = both & np.isfinite(np.asarray(error, dtype=np.float64))
    found = [auroc(each[known], rows.error) for each in (other, values)]
    gap = difference(found[0], found[1], rows.error, rows.clusters, rows.note)
    return gap, p_of_interval(gap)


def auroc_by_layer(values: ArrayLike, error: ArrayLike, clusters: Clusters | ArrayLike) -> list[Estimate]:
    """AUROC of error of a label-free quantity read at each layer.

    Intervals are pointwise: `max_t` says which layers stand out among all of them, `held_out_best_layer` what the best
    one is worth.

    Args:
        values: float [n, L]; high values are meant to go with errors. NaN is left out layer by layer.
        error: [n], 1 for a wrong answer.
        clusters: Labels [n].

    Returns:
        One estimate a layer; each says why when it has no value or interval.
    """
    groups = Clusters.of(clusters)
    return [auroc_estimate(Scored.of(column, error, groups)) for column in np.asarray(values, dtype=np.float64).T]


@dataclass(frozen=True)
class Stratified:
    """AUROC of error for each level of a label, and pooled over the levels.

    Attributes:
        levels: Level -> AUROC within it, most rows first.
        within: AUROC over all pairs of an error and a right answer of the same level. A metric that only detects
            "said yes" is at .5 here when the level is the predicted answer.
    """

    levels: dict[Hashable, Estimate]
    within: Estimate


def stratified_auroc(
    score: ArrayLike, error: ArrayLike, clusters: Clusters | ArrayLike, label: ArrayLike | pd.Series
) -> Stratified:
    """AUROC of error by predicted answer, question type or both.

    Args:
        score: float [n]; high values are meant to go with errors.
        error: [n], 1 for a wrong answer.
        clusters: Labels [n].
        label: Level of each row [n]; rows without one form the level ``"missing"``.

    Returns:
        Estimates by level and pooled; each says why when it has no value or interval.
    """
    groups = Clusters.of(clusters)
    names = pd.Series(label).astype(object).where(pd.Series(label).notna(), "missing").to_numpy()
    values, wrong = np.asarray(score, dtype=np.float64), np.asarray(error, dtype=np.float64)
    levels = {
        level: auroc_estimate(Scored.of(values[names == level], wrong[names == level], groups.at(names == level)))
        for level in pd.Series(names).value_counts().index
    }
    rows = Scored.of(values, wrong, groups)
    if all(one.value is None for one in levels.values()):
        reason = "no level holds both errors and right answers with differing values"
        return Stratified(levels, rows.sizes.missing(reason, METHOD))
    codes = pd.factorize(pd.Series(names[np.isfinite(values) & np.isfinite(wrong)]))[0].astype(np.int64)
    return Stratified(levels, auroc_estimate(rows, codes))
