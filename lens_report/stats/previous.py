"""Answers in a row: whether what came before goes along with what comes next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_report.stats.clusters import Clusters
from lens_report.stats.group_means import difference_of_means
from lens_report.stats.results import Estimate

__all__ = ["AfterWrong", "after_wrong", "previous_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
N_SHUFFLES = 2_000
BLOCK = 100


@dataclass(frozen=True)
class AfterWrong:
    """The answers after a wrong one against those after a right one, in the same rows.

    Attributes:
        after_wrong: Share of right answers after a wrong one; None without any.
        after_right: The same after a right one.
        n_wrong: Answers after a wrong one.
        n_right: Answers after a right one.
        difference: Right after a wrong one minus right after a right one, compared within rows, with an interval
            clustered by row.
        by_order: Mean of that difference when the answers of each row come in another order: not 0 but above it,
            because a row that has used up a wrong answer has fewer of them left. None where there is no difference.
        p_value: Two-sided, of the difference among those of other orders; None where there is none.
    """

    after_wrong: float | None
    after_right: float | None
    n_wrong: int
    n_right: int
    difference: Estimate
    by_order: float | None
    p_value: float | None


def previous_of(rows: ArrayLike, places: ArrayLike) -> Ints:
    """Index of the answer just before each one, int [n]; -1 where its row has none at the place before.

    Args:
        rows: Labels [n] of the rows (dialogues).
        places: int [n], place of each answer in its row.
    """
    labels, numbers = np.asarray(rows), np.asarray(places, dtype=np.int64)
    at = {(label, int(number)): index for index, (label, number) in enumerate(zip(labels, numbers, strict=True))}
    found = [at.get((label, int(number) - 1), -1) for label, number in zip(labels, numbers, strict=True)]
    return np.asarray(found, dtype=np.int64)


def after_wrong(
    right: ArrayLike, rows: ArrayLike, places: ArrayLike, *, n_shuffles: int = N_SHUFFLES, seed: int = 0
) -> AfterWrong:
    """Compare answers after a wrong one with answers after a right one, within rows of answers.

    The difference within rows is above 0 on average even if no answer has to do with another (Miller and Sanjurjo
    2018), the more so the shorter the rows. So it is held against the same rows in other orders: if the answers of a
    row could as well have come in any order, the p-value is valid for any number of rows. A trend over the row, or
    neighbours that are alike for another reason, make a difference too.

    Args:
        right: float [n], 1 right, 0 wrong, NaN unknown; pairs with an unknown one are left out.
        rows: Labels [n], such as dialogues.
        places: int [n], place of each answer in its row; only neighbours are compared.
        n_shuffles: Orders that are drawn.
        seed: Of them.
    """
    values, groups = np.asarray(right, dtype=np.float64), Clusters.of(rows)
    before = previous_of(groups.codes, places)
    pairs = (before >= 0) & np.isfinite(values) & np.isfinite(values[before])
    later, earlier = np.flatnonzero(pairs), before[pairs]
    codes = groups.codes[later]
    wrong, now = values[earlier] == 0, values[later]
    difference = difference_of_means(now, wrong, groups.at(pairs), strata=codes)
    expected = p_value = None
    if difference.value is not None:
        shuffled = _shuffled(values, groups.codes, later, earlier, n_shuffles, seed)
        expected = float(shuffled.mean())
        as_far = np.abs(shuffled - expected) >= abs(difference.value - expected) - 1e-12
        p_value = float((1 + as_far.sum()) / (1 + shuffled.size))
    return AfterWrong(
        float(now[wrong].mean()) if wrong.any() else None,
        float(now[~wrong].mean()) if (~wrong).any() else None,
        int(wrong.sum()),
        int((~wrong).sum()),
        difference,
        expected,
        p_value,
    )


def _shuffled(values: Floats, codes: Ints, later: Ints, earlier: Ints, n_shuffles: int, seed: int) -> Floats:
    """The difference within rows for other orders of the known answers of each row, float [orders that have one]."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(codes[known], kind="stable")]
    own = codes[order]
    sort = np.argsort(codes[later], kind="stable")
    later, earlier = later[sort], earlier[sort]
    starts = np.flatnonzero(np.r_[True, np.diff(codes[later]) > 0])
    sizes = np.diff(np.r_[starts, later.size])
    rng, found = np.random.default_rng(seed), []
    for start in range(0, n_shuffles, BLOCK):
        drawn = min(BLOCK, n_shuffles - start)
        # the answers of a row keep to their row: they are sorted by row first, and by chance within it
        place = np.argsort(own + rng.random((drawn, order.size)), axis=1, kind="stable")
        other = np.zeros((drawn, values.size))
        other[:, order] = values[order[place]]
        found.append(_within(1.0 - other[:, earlier], other[:, later], starts, sizes))
    differences = np.concatenate(found)
    return np.asarray(differences[np.isfinite(differences)])


def _within(wrong: Floats, now: Floats, starts: Ints, sizes: Ints) -> Floats:
    """Regression coefficient of `now` on `wrong` within rows, float [draws]; NaN where no row has both kinds."""

    def centred(values: Floats) -> Floats:
        means = np.add.reduceat(values, starts, axis=1) / sizes
        return np.asarray(values - np.repeat(means, sizes, axis=1))

    excess = centred(wrong)
    power = (excess**2).sum(axis=1)
    found = np.full(len(power), np.nan)
    np.divide((excess * centred(now)).sum(axis=1), power, out=found, where=power > 1e-9)
    return found
