"""Statements about layers: emergence with censoring, curves, a best layer judged on held-out folds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from stats_simulation import simulate_run
from tolerances import near

from lens_report.stats import Clusters, emergence, held_out_best_layer, layer_curve
from lens_report.stats.best_layer import CHOOSING_FOLDS
from lens_report.stats.cross_fitting import grouped_folds


def test_share_emerged_counts_the_samples_in_which_it_never_did():
    event = np.array([1, 2, 2, np.nan, 4] * 4)
    found = emergence(event, [1, 2, 3, 4], np.arange(20))
    np.testing.assert_allclose(found.share, [0.2, 0.6, 0.6, 0.8])
    assert (found.low <= found.share).all()
    assert (found.share <= found.high).all()
    assert found.emerged.value == pytest.approx(0.8)
    assert (found.median.value, found.median.low, found.median.high) == (2, 2, 4)


def test_interval_of_emergence_equals_a_bootstrap_that_copies_rows():
    rng = np.random.default_rng(1)
    event, cluster = rng.choice([1.0, 2.0, 3.0, np.nan], 120), np.repeat(np.arange(20), 6)
    found = emergence(event, [1, 2, 3], cluster)
    members = event.reshape(20, 6)
    copies = [members[rng.integers(0, 20, 20)].ravel() for _ in range(4000)]
    shares = np.array([[(copy <= layer).mean() for layer in (1, 2, 3)] for copy in copies])
    np.testing.assert_allclose([found.low, found.high], np.quantile(shares, (0.016, 0.984), axis=0), atol=0.02)


def test_median_is_missing_or_open_when_too_few_emerge():
    few = emergence([1.0, np.nan, np.nan] * 10, [1, 2], np.arange(30))
    assert (few.median.value, few.median.note) == (None, "fewer than half emerged (33%)")
    half = emergence([1.0, 2.0, np.nan, np.nan, 1.0] * 6, [1, 2], np.arange(30))
    assert (half.median.value, half.median.high) == (2, None)
    assert half.median.note == "no upper end: fewer than half may have emerged"


def test_emergence_without_rows_or_clusters_says_so():
    none = emergence([], [1, 2], [])
    assert (none.median.value, none.emerged.note) == (None, "no rows with a value")
    small = emergence([1.0, 2.0, np.nan], [1, 2], np.arange(3))
    np.testing.assert_allclose(small.share, [1 / 3, 2 / 3])
    assert np.isnan(small.low).all()
    assert small.note == "no interval: 3 clusters, at least 10 are needed"


def test_layer_curve_is_mean_and_cluster_robust_interval():
    run = simulate_run(2)
    curve = layer_curve(run.paths, run.cluster)
    np.testing.assert_allclose(curve.mean, run.paths.mean(axis=0))
    by_row = layer_curve(run.paths, np.arange(900))
    half = 1.9626 * run.paths.std(axis=0, ddof=1) / 30
    np.testing.assert_allclose(by_row.high - by_row.mean, half, rtol=1e-3)
    assert (curve.high[-1] - curve.low[-1]) > (by_row.high[-1] - by_row.low[-1])
    balanced = run.paths.reshape(100, 9, -1).mean(axis=1)
    expected = 1.9842 * balanced.std(axis=0, ddof=1) / 10
    np.testing.assert_allclose(curve.high - curve.mean, expected, rtol=1e-3)


def test_layer_curve_with_holes():
    values = np.tile(np.arange(20.0)[:, None], (1, 3))
    values[:, 1] = np.nan
    values[5:, 2] = np.nan
    curve = layer_curve(values, np.arange(20))
    assert curve.n.tolist() == [20, 0, 5]
    assert np.isnan(curve.mean[1])
    assert curve.mean[2] == 2
    assert np.isnan(curve.low[1:]).all()
    assert curve.low[0] < 9.5 < curve.high[0]


def test_best_layer_is_found_and_judged_on_other_rows():
    run = simulate_run(3)
    held_out, hindsight = [], []
    for seed in range(10):
        layers = np.random.default_rng(seed).normal(size=(900, 20))
        held_out.append(held_out_best_layer(layers, run.error, run.cluster).auroc.value - 0.5)
        hindsight.append(max(abs(roc_auc_score(run.error, column) - 0.5) for column in layers.T))
    assert abs(np.mean(held_out)) < 0.02, "layers of noise are at chance"
    assert min(hindsight) > 0.03, "the best of them in hindsight is not"
    layers[:, 11] -= 2 * run.error
    found = held_out_best_layer(layers, run.error, run.cluster)
    assert found.chosen == 11
    assert found.auroc.n_clusters == pytest.approx(60, abs=5)
    assert found.auroc.value == pytest.approx(roc_auc_score(run.error, -layers[:, 11]), abs=0.03)
    assert found.auroc.low > 0.8


def test_best_layer_is_judged_on_rows_that_did_not_choose():
    run = simulate_run(3)
    layers = np.random.default_rng(0).normal(size=(900, 5))
    chooses = grouped_folds(Clusters.of(run.cluster), run.error > 0) < CHOOSING_FOLDS
    layers[chooses, 2] += 3 * run.error[chooses]
    found = held_out_best_layer(layers, run.error, run.cluster)
    assert found.chosen == 2
    assert found.auroc.value == near(roc_auc_score(run.error[~chooses], layers[~chooses, 2]), "float64", 900)


def test_best_layer_says_why_there_is_none():
    values, cluster = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40)
    few = held_out_best_layer(values, np.arange(40) < 7, cluster)
    assert few.chosen is None
    assert few.auroc.note == (
        "too small to choose on one part and judge on the other: "
        "no interval: 2 wrong and 14 right answers, at least 5 of each are needed"
    )
    assert held_out_best_layer(np.full((40, 3), np.nan), np.zeros(40), cluster).auroc.note == (
        "40 of 40 rows have no value; no rows with a value and a verdict"
    )
    flat = held_out_best_layer(np.ones((60, 3)), np.arange(60) % 2, np.arange(60))
    assert flat.auroc.note == "the value is the same in all rows"
