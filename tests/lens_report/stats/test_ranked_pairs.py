"""Pairs counted for many weightings at once, against pairs counted one by one; tiles of draws against whole blocks."""

from __future__ import annotations

import numpy as np
import pytest
from close_results import assert_close_results
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from tolerances import bounds, near

import lens_report.stats.clusters as drawing
from lens_report.stats import Clusters, risk_coverage
from lens_report.stats.association import Scored, measures
from lens_report.stats.clusters import bootstrap, cluster_weights
from lens_report.stats.gain import pairs_within
from lens_report.stats.ranked_pairs import STRETCH, PairTable, auroc, running_sums
from lens_report.stats.ranks import RankTable


def some_rows(seed: int, n: int, n_clusters: int, grain: float):
    """Scores with more ties the smaller the grain, errors, clusters and eight weightings of them."""
    rng = np.random.default_rng(seed)
    score = np.round(rng.normal(size=n) * grain)
    clusters = Clusters(rng.integers(0, n_clusters, n), n_clusters)
    return score, rng.random(n) < rng.random(), clusters, cluster_weights(n_clusters, 8, rng)


def counted(score, error, stratum, times) -> tuple[float, float]:
    """Weight of the pairs that are won and of all pairs of one stratum, pair by pair."""
    won = of_all = 0.0
    for wrong in np.flatnonzero(error):
        for right in np.flatnonzero(~error & (stratum == stratum[wrong])):
            both = times[wrong] * times[right]
            won += both * ((score[wrong] > score[right]) + 0.5 * (score[wrong] == score[right]))
            of_all += both
    return won, of_all


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(2, 12), st.sampled_from([0.5, 2.0, 100.0]))
def test_pairs_equal_counting_them_one_by_one(seed: int, n: int, n_clusters: int, grain: float):
    score, error, clusters, weights = some_rows(seed, n, n_clusters, grain)
    found = PairTable.build(score, error, clusters).sums(weights)
    beside = RankTable.build(score, error, clusters).evaluate(weights).pairs
    for draw, times in enumerate(weights[clusters.codes].T):
        won, of_all = counted(score, error, np.zeros(n), times)
        assert (found.wins[draw], found.n_error[draw] * found.n_right[draw]) == (won, of_all)
        assert found.n_error[draw] == times[error].sum()
    for name in ("wins", "n_error", "n_right"):
        np.testing.assert_array_equal(getattr(beside, name), getattr(found, name))


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 50), st.sampled_from([1.0, 100.0]))
def test_pairs_within_strata_equal_counting_them_one_by_one(seed: int, n: int, grain: float):
    score, error, clusters, weights = some_rows(seed, n, 6, grain)
    stratum = np.random.default_rng(seed + 1).integers(0, 3, n)
    found = pairs_within(score, error, stratum, clusters)(weights)
    for draw, times in enumerate(weights[clusters.codes].T):
        won, of_all = counted(score, error, stratum, times)
        assert found[draw] == won / of_all if of_all else np.isnan(found[draw])


@pytest.mark.parametrize("grain", [0.5, 2.0, 1e6], ids=["many ties", "some ties", "distinct"])
def test_one_auroc_equals_scikit_learn(grain: float):
    score, error, _, _ = some_rows(3, 500, 5, grain)
    assert auroc(score, error) == near(roc_auc_score(error, score), "float64", 500)
    assert np.isnan(auroc(score, np.ones(500, dtype=bool)))
    assert np.isnan(auroc(score, np.zeros(500, dtype=bool)))


@pytest.mark.parametrize("stretches", [0, 1, 2, 7])
def test_running_sums_of_halves_equal_the_cumulative_sum(stretches: int):
    values = np.random.default_rng(0).integers(0, 1000, (stretches * STRETCH, 5)) / 2
    np.testing.assert_array_equal(running_sums(values), np.cumsum(values, axis=0))


@pytest.mark.parametrize("n_draws", [1, 15, 17, 100, 333])
def test_tiles_of_draws_give_what_whole_blocks_give(monkeypatch, n_draws: int):
    score, error, clusters, _ = some_rows(4, 900, 150, 10.0)
    statistics = [lambda weights: weights, measures(Scored.of(score, error, clusters))]

    def found(cells: int) -> list[np.ndarray]:
        monkeypatch.setattr(drawing, "TILE_CELLS", cells)
        return bootstrap(clusters, statistics, n_draws=n_draws, seed=5)

    whole, tiled = found(10**9), found(900 * 48)
    np.testing.assert_array_equal(whole[0], tiled[0])
    np.testing.assert_allclose(whole[1], tiled[1], **bounds("float64", 900))


def test_risk_by_coverage_does_not_depend_on_the_tiles(monkeypatch):
    score, error, clusters, _ = some_rows(6, 700, 100, 30.0)

    def found(cells: int):
        monkeypatch.setattr(drawing, "TILE_CELLS", cells)
        return risk_coverage({"score": score}, error, clusters, baseline="score", n_draws=150)["score"]

    whole, tiled = found(10**9), found(1)
    assert_close_results(whole.aurc, tiled.aurc, 700)
    np.testing.assert_allclose((whole.low, whole.high), (tiled.low, tiled.high), **bounds("float64", 700))
