"""What follows a wrong answer: against a regression by hand, all orders of short rows, and data with known truth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from lens_report.stats import after_wrong, previous_of
from lens_report.stats.results import MIN_CLUSTERS

Floats = NDArray[np.float64]


def rows_of(n_rows: int, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.repeat(np.arange(n_rows), length), np.tile(np.arange(length), n_rows)


def by_hand(right: Floats, rows: NDArray[np.int64], places: NDArray[np.int64]) -> float | None:
    """Least squares of each answer on whether the one before was wrong, with a column for each row."""
    pairs = [
        (row, 1 - right[i], right[j])
        for i, j in itertools.permutations(range(len(right)), 2)
        if (row := rows[i]) == rows[j] and places[j] == places[i] + 1 and np.isfinite([right[i], right[j]]).all()
    ]
    present = sorted({row for row, _, _ in pairs})
    design = np.array([[wrong, *(row == one for one in present)] for row, wrong, _ in pairs], dtype=np.float64)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    found = np.linalg.lstsq(design, np.array([now for _, _, now in pairs]), rcond=None)[0]
    return float(found[0])


def test_the_answer_before_is_that_of_the_place_before_in_the_same_row() -> None:
    rows, places = ["a", "b", "a", "a", "b"], [2, 0, 0, 1, 2]
    assert previous_of(rows, places).tolist() == [3, -1, -1, 2, -1]


def test_the_difference_is_that_of_a_regression_within_rows() -> None:
    rng = np.random.default_rng(0)
    rows, places = rows_of(14, 9)
    right = (rng.random(len(rows)) < 0.6).astype(float)
    right[rng.random(len(rows)) < 0.1] = np.nan
    mixed = rng.permutation(len(rows))
    found = after_wrong(right[mixed], rows[mixed], places[mixed], n_shuffles=50)
    assert found.difference.value == pytest.approx(by_hand(right, rows, places))
    before = [i - 1 if places[i] else -1 for i in range(len(rows))]
    known = [i for i, j in enumerate(before) if j >= 0 and np.isfinite([right[i], right[j]]).all()]
    wrong = [i for i in known if right[before[i]] == 0]
    assert found.n_wrong == len(wrong) and found.n_right == len(known) - len(wrong)
    assert found.after_wrong == pytest.approx(np.mean(right[wrong]))
    assert found.difference.low is not None and found.difference.high is not None


def test_other_orders_are_all_orders_of_each_row() -> None:
    """Two rows of four answers: the mean and the p-value against the 576 pairs of orders."""
    right = np.array([1, 0, 0, 1, 0, 1, 1, 1], dtype=float)
    rows, places = rows_of(2, 4)
    orders = itertools.product(itertools.permutations(right[:4]), itertools.permutations(right[4:]))
    found = [by_hand(np.array([*one, *other]), rows, places) for one, other in orders]
    exact = np.array([each for each in found if each is not None])
    own = by_hand(right, rows, places)
    assert own is not None
    ours = after_wrong(right, rows, places, n_shuffles=20_000)
    assert ours.by_order == pytest.approx(exact.mean(), abs=4 * exact.std() / np.sqrt(20_000))
    share = np.mean(np.abs(exact - exact.mean()) >= abs(own - exact.mean()) - 1e-9)
    assert ours.p_value == pytest.approx(share, abs=0.02)
    assert ours.by_order is not None and ours.by_order > 0.1, "short rows: the difference is above 0 by the order alone"
    assert ours.difference.low is None and f"at least {MIN_CLUSTERS}" in ours.difference.note


def test_independent_answers_are_rejected_as_often_as_the_level() -> None:
    """Dialogues of different difficulty, answers that have nothing to do with each other."""
    rng, rejected = np.random.default_rng(1), 0
    rows, places = rows_of(3, 60)
    for trial in range(200):
        ability = rng.uniform(0.3, 0.9, 3)
        right = (rng.random(len(rows)) < ability[rows]).astype(float)
        found = after_wrong(right, rows, places, n_shuffles=99, seed=trial)
        assert found.p_value is not None
        rejected += found.p_value <= 0.05
    assert 1 <= rejected <= 20  # 10 expected, sd 3.1


@pytest.mark.parametrize("sign", [-1, 1])
def test_an_effect_is_found_with_its_sign(sign: int) -> None:
    rng = np.random.default_rng(2)
    rows, places = rows_of(3, 500)
    right = np.zeros(len(rows))
    for i in range(len(rows)):
        wrong_before = places[i] > 0 and right[i - 1] == 0
        right[i] = rng.random() < 0.6 + (0.2 * sign if wrong_before else 0)
    found = after_wrong(right, rows, places)
    assert found.difference.value == pytest.approx(0.2 * sign, abs=0.08)
    assert found.p_value is not None and found.p_value < 0.01


@pytest.mark.parametrize(
    ("right", "note"),
    [
        ([1, 1, 1, 1], "one of the two groups has no rows"), ([1, np.nan, 0, np.nan], "one of the two groups"),
        ([np.nan] * 4, "one of the two groups has no rows"),
    ],
)  # fmt: skip
def test_without_both_kinds_there_is_no_difference_and_a_reason(right: list[float], note: str) -> None:
    found = after_wrong(right, [0] * 4, [0, 1, 2, 3])
    assert (found.difference.value, found.by_order, found.p_value) == (None, None, None)
    assert note in found.difference.note
