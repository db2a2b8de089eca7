"""Calibration of probabilities of being right, against other libraries, loops and simulated truths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit, softmax
from sklearn.metrics import brier_score_loss, log_loss

from lens_report.stats import Clusters
from lens_report.stats.calibration import (
    SELECTIVE,
    calibration,
    calibration_error,
    equal_mass,
    fitted_temperature,
)


def answers(seed: int, n_clusters: int = 150, slope: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds, verdicts and clusters of 1 to 5 rows, odds shared in part; the true odds are `slope` times these."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(n_clusters), rng.integers(1, 6, n_clusters))
    odds = rng.normal(1.0, 1.2, n_clusters)[cluster] + rng.normal(0, 0.6, cluster.size)
    return odds, rng.random(cluster.size) < expit(slope * odds), cluster


def truth(odds: np.ndarray, slope: float, places: np.ndarray) -> float:
    """Root mean square over the rows of the difference of mean probability and mean true share in each bin."""
    gap = expit(odds) - expit(slope * odds)
    means = np.bincount(places, weights=gap) / np.bincount(places)
    return float(np.sqrt(np.mean(means[places] ** 2)))


def test_brier_and_nll_are_those_of_scikit_learn() -> None:
    odds, right, cluster = answers(0)
    found = calibration(odds, right, cluster)
    assert found.brier.value == pytest.approx(brier_score_loss(right, expit(odds)), rel=1e-9)
    assert found.nll.value == pytest.approx(log_loss(right, expit(odds)), rel=1e-9)
    assert found.overconfidence.value == pytest.approx(expit(odds).mean() - right.mean(), rel=1e-9)
    assert found.all_given == pytest.approx(right.mean())
    assert found.brier.low < found.brier.value < found.brier.high


def test_certain_and_wrong_is_a_finite_loss() -> None:
    odds = np.array([800.0] * 30)
    found = calibration(odds, np.arange(30) > 0, np.arange(30))
    assert found.nll.value == pytest.approx(800 / 30)


@pytest.mark.parametrize("seed", range(3))
def test_the_errors_are_those_of_a_loop_over_bins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probability = rng.choice([0.2, 0.45, 0.7, 0.9], 400)
    right = rng.random(400) < probability**1.5
    squares = absolute = 0.0
    for value in np.unique(probability):
        own = right[probability == value]
        squares += own.size / 400 * ((value - own.mean()) ** 2 - own.mean() * (1 - own.mean()) / (own.size - 1))
        absolute += own.size / 400 * abs(value - own.mean())
    places = np.unique(probability, return_inverse=True)[1]
    found = calibration_error(probability, right, Clusters.of(np.arange(400)), places)
    assert found.value == pytest.approx(np.sqrt(max(squares, 0.0)), rel=1e-9)
    whole = calibration(logit(probability), right, np.arange(400))
    assert len(whole.bins) == 4 and whole.absolute_error == pytest.approx(absolute, rel=1e-9)
    assert whole.error.value == pytest.approx(found.value, rel=1e-9)
    assert [one.accuracy.value for one in whole.bins] == pytest.approx(
        [right[probability == value].mean() for value in np.unique(probability)]
    )


def test_bins_have_equal_mass_and_keep_equal_values_together() -> None:
    rng = np.random.default_rng(0)
    sizes = np.bincount(equal_mass(rng.normal(size=1500)))
    assert sizes.size == 15 and np.ptp(sizes) <= 2
    tied = np.concatenate([np.zeros(700), rng.normal(5, 1, 800)])
    assert len(set(equal_mass(tied)[:700].tolist())) == 1
    assert np.bincount(equal_mass(rng.normal(size=35))).min() >= 10
    assert set(equal_mass(np.ones(200)).tolist()) == {0}


def test_areas_are_those_of_all_coverages() -> None:
    odds, right, cluster = answers(1)
    found = calibration(odds, right, cluster)
    wrong = ~right[np.argsort(-odds)]
    kept = np.arange(1, wrong.size + 1)
    own = np.mean(np.cumsum(wrong) / kept)
    least = np.mean(np.maximum(0, kept - right.sum()) / kept)
    assert found.aurc.value == pytest.approx(own, rel=1e-9)
    assert found.excess_aurc.value == pytest.approx(own - least, rel=1e-9)
    for share in SELECTIVE:
        given = round(share * wrong.size)
        assert found.selective[share].value == pytest.approx(1 - wrong[:given].mean(), abs=2 / given)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_is_the_best_of_a_grid(factor: float) -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(0, 2, (3000, 4))
    scores[::3, 3] = np.nan
    shares = softmax(np.where(np.isfinite(scores), scores, -np.inf), axis=1)
    gold = (rng.random((3000, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    found = fitted_temperature(factor * scores, gold)
    assert found == pytest.approx(factor, rel=0.08)

    def nll(temperature: float) -> float:
        known = np.where(np.isfinite(scores), factor * scores / temperature, -np.inf)
        return log_loss(gold, softmax(known, axis=1), labels=range(4))

    assert nll(found) <= min(nll(factor * step) for step in np.linspace(0.8, 1.25, 40)) + 1e-9


def test_too_little_gives_no_interval_and_nothing_no_number() -> None:
    few = calibration(np.ones(6), [1, 1, 0, 1, 1, 0], range(6))
    assert few.error.low is None and "at least" in few.error.note
    none = calibration([np.nan], [1], [0])
    assert none.brier.value is None and none.absolute_error is None and none.bins == ()


@pytest.mark.slow
@pytest.mark.parametrize("slope", [1.0, 0.6, 0.3])
def test_the_interval_of_the_error_covers_the_truth(slope: float) -> None:
    hits, squares = [], []
    for seed in range(400):
        odds, right, cluster = answers(seed, slope=slope)
        places = equal_mass(odds)
        found = calibration_error(expit(odds), right, Clusters.of(cluster), places)
        own = truth(odds, slope, places)
        hits.append(found.low <= own <= found.high)
        squares.append(found.value**2 - own**2)
    assert 0.92 <= np.mean(hits) <= 1.0
    assert abs(np.mean(squares)) < 0.003
