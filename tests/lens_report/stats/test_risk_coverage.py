from __future__ import annotations

import numpy as np
import pytest

from lens_report.stats import risk_coverage
from lens_report.stats.risk_coverage import COVERAGE


def area(score: list[float], error: list[int]) -> float:
    found = risk_coverage({"one": score}, error, np.arange(len(error)), baseline="one")["one"].aurc.value
    assert found is not None
    return found


def test_area_by_hand() -> None:
    # kept in the order right, wrong, right: risks 0, 1/2, 1/3
    assert area([1, 2, 3], [0, 1, 0]) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)


def test_tied_scores_are_averaged_over_their_orders() -> None:
    orders = [area([1, 2, 3], [0, 1, 0]), area([1, 3, 2], [0, 1, 0])]
    assert area([1, 2, 2], [0, 1, 0]) == pytest.approx(np.mean(orders))
    assert area([5, 5, 5, 5], [1, 0, 0, 0]) == pytest.approx(0.25)


def test_area_agrees_with_a_loop_on_resampled_rows() -> None:
    rng = np.random.default_rng(0)
    score, error = rng.permutation(200).astype(float), rng.random(200) < 0.3
    order = np.argsort(score)
    risks = [error[order[: k + 1]].mean() for k in range(200)]
    assert area(list(score), list(error.astype(int))) == pytest.approx(np.mean(risks))


def test_everything_is_kept_at_full_coverage() -> None:
    rng = np.random.default_rng(1)
    error = rng.random(300) < 0.4
    curve = risk_coverage({"a": rng.normal(size=300)}, error, np.arange(300) // 3, baseline="a")["a"]
    assert COVERAGE[-1] == 1.0
    assert curve.risk[-1] == pytest.approx(error.mean())
    assert (curve.low <= curve.risk + 1e-9).all()
    assert (curve.high >= curve.risk - 1e-9).all()


def test_a_score_that_knows_the_errors_beats_one_that_does_not() -> None:
    rng = np.random.default_rng(2)
    error = (rng.random(400) < 0.3).astype(float)
    scores = {"noise": rng.normal(size=400), "knows": error + 0.8 * rng.normal(size=400)}
    found = risk_coverage(scores, error, np.arange(400) // 4, baseline="noise")
    gap = found["knows"].difference
    assert gap is not None
    assert gap.high is not None
    assert gap.high < 0
    assert found["knows"].p_value is not None
    assert found["knows"].p_value < 0.001
    assert found["noise"].difference is None


def test_rows_without_a_score_are_left_out_for_all_and_counted() -> None:
    error = np.tile([1.0, 0.0, 0.0], 20)
    scores = {"a": np.arange(60.0), "b": np.where(np.arange(60) < 6, np.nan, np.arange(60.0))}
    found = risk_coverage(scores, error, np.arange(60), baseline="a")
    assert found["a"].aurc.n == found["b"].aurc.n == 54
    assert "6 of 60 rows lack a score" in found["a"].aurc.note
    assert found["b"].difference is not None
    assert found["b"].difference.value == pytest.approx(0.0)
    assert found["b"].p_value is None


def test_no_interval_for_few_clusters() -> None:
    found = risk_coverage({"a": np.arange(40.0)}, np.tile([1, 0], 20), np.arange(40) // 8, baseline="a")
    assert found["a"].aurc.low is None
    assert "5 clusters" in found["a"].aurc.note
    assert np.isnan(found["a"].low).all()


@pytest.mark.slow
def test_two_scores_of_equal_worth_are_told_apart_at_the_nominal_rate() -> None:
    rejected, runs = 0, 200
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        image = np.repeat(np.arange(80), 5)
        known = rng.normal(size=400) + rng.normal(size=80)[image]
        error = rng.random(400) < 1 / (1 + np.exp(-known - rng.normal(size=80)[image]))
        scores = {name: known + rng.normal(size=400) for name in "ab"}
        found = risk_coverage(scores, error, image, baseline="a")["b"]
        rejected += found.p_value is not None and found.p_value < 0.05
    assert 0.02 <= rejected / runs <= 0.085
