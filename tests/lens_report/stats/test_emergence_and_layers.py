"""Statements about layers: emergence with censoring, curves, a best layer judged on held-out folds."""

from __future__ import annotations

import numpy as np
import pytest
from close_results import assert_close_results
from sklearn.metrics import roc_auc_score
from stats_simulation import simulate_run
from statsmodels.duration.survfunc import SurvfuncRight
from tolerances import near

from lens_report.stats import Clusters, associate, auroc_by_layer, emergence, held_out_best_layer, layer_curve
from lens_report.stats.best_layer import CHOOSING_FOLDS, column_aurocs
from lens_report.stats.folds import grouped_folds


def test_share_emerged_counts_the_samples_in_which_it_never_did():
    event = np.array([1, 2, 2, np.nan, 4] * 4)
    found = emergence(event, [1, 2, 3, 4], np.arange(20), n_draws=500)
    np.testing.assert_allclose(found.share, [0.2, 0.6, 0.6, 0.8])
    assert (found.low <= found.share).all()
    assert (found.share <= found.high).all()
    assert found.emerged.value == pytest.approx(0.8)
    assert (found.median.value, found.median.low, found.median.high) == (2, 2, 4)


def test_censoring_before_the_end_is_kaplan_meier():
    rng = np.random.default_rng(0)
    event, watched = rng.integers(1, 9, 200).astype(float), rng.integers(2, 9, 200)
    seen = event <= watched
    found = emergence(np.where(seen, event, np.nan), np.arange(1, 9), np.arange(200), watched_to=watched, n_draws=50)
    reference = SurvfuncRight(np.where(seen, event, watched), seen.astype(int))
    expected = [1 - reference.surv_prob[reference.surv_times <= layer][-1] for layer in range(1, 9)]
    np.testing.assert_allclose(found.share, expected)


def test_interval_of_emergence_equals_a_bootstrap_that_copies_rows():
    rng = np.random.default_rng(1)
    event, cluster = rng.choice([1.0, 2.0, 3.0, np.nan], 120), np.repeat(np.arange(20), 6)
    found = emergence(event, [1, 2, 3], cluster, n_draws=4000)
    members = event.reshape(20, 6)
    copies = [members[rng.integers(0, 20, 20)].ravel() for _ in range(4000)]
    shares = np.array([[(copy <= layer).mean() for layer in (1, 2, 3)] for copy in copies])
    np.testing.assert_allclose([found.low, found.high], np.quantile(shares, (0.016, 0.984), axis=0), atol=0.02)


def test_median_is_missing_or_open_when_too_few_emerge():
    few = emergence([1.0, np.nan, np.nan] * 10, [1, 2], np.arange(30), n_draws=200)
    assert (few.median.value, few.median.note) == (None, "fewer than half emerged (33%)")
    half = emergence([1.0, 2.0, np.nan, np.nan, 1.0] * 6, [1, 2], np.arange(30), n_draws=500)
    assert (half.median.value, half.median.high) == (2, None)
    assert half.median.note == "no upper end: in some resampled sets fewer than half emerged"


def test_emergence_without_rows_or_clusters_says_so():
    none = emergence([], [1, 2], [], n_draws=10)
    assert (none.median.value, none.emerged.note) == (None, "no rows")
    small = emergence([1.0, 2.0, np.nan], [1, 2], np.arange(3), n_draws=10)
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
        held_out.append(held_out_best_layer(layers, run.error, run.cluster, n_draws=100).auroc.value - 0.5)
        hindsight.append(np.abs(column_aurocs(layers, run.error > 0) - 0.5).max())
    assert abs(np.mean(held_out)) < 0.02, "layers of noise are at chance"
    assert min(hindsight) > 0.03, "the best of them in hindsight is not"
    layers[:, 11] -= 2 * run.error
    found = held_out_best_layer(layers, run.error, run.cluster, n_draws=300)
    assert found.chosen == (11,)
    assert found.auroc.n_clusters == pytest.approx(60, abs=5)
    assert found.auroc.value == pytest.approx(roc_auc_score(run.error, -layers[:, 11]), abs=0.03)
    assert found.auroc.low > 0.8


def test_best_layer_is_judged_on_rows_that_did_not_choose():
    run = simulate_run(3)
    layers = np.random.default_rng(0).normal(size=(900, 5))
    chooses = grouped_folds(Clusters.of(run.cluster), run.error > 0) < CHOOSING_FOLDS
    layers[chooses, 2] += 3 * run.error[chooses]
    found = held_out_best_layer(layers, run.error, run.cluster, n_draws=100)
    assert found.chosen == (2,)
    assert found.auroc.value == near(roc_auc_score(run.error[~chooses], layers[~chooses, 2]), "float64", 900)


def test_auroc_by_layer_is_that_of_each_layer():
    run = simulate_run(4)
    values = run.paths[:, :4].copy()
    values[:5, 1] = np.nan
    values[:, 2] = 1.0
    found = auroc_by_layer(values, run.error, run.cluster, n_draws=200)
    for layer in (0, 1, 3):
        alone = associate(values[:, layer], run.error, run.cluster, n_draws=200).auroc
        assert_close_results(found[layer], alone, 900)
    assert found[2].note == "the value is the same in all rows"
    assert [one.note for one in auroc_by_layer(values, np.zeros(900), run.cluster)] == [
        "5 of 900 rows have no value; no answer is wrong" if layer == 1 else "no answer is wrong" for layer in range(4)
    ]


def test_best_layer_says_why_there_is_none():
    values, cluster = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40)
    few = held_out_best_layer(values, np.arange(40) < 7, cluster, n_draws=10)
    assert few.chosen == ()
    assert few.auroc.note == (
        "too small to choose on one part and judge on the other: "
        "no interval: 2 wrong and 14 right answers, at least 5 of each are needed"
    )
    assert held_out_best_layer(np.full((40, 3), np.nan), np.zeros(40), cluster).auroc.note == (
        "40 of 40 rows have no value; no rows with a value and a verdict"
    )
    flat = held_out_best_layer(np.ones((60, 3)), np.arange(60) % 2, np.arange(60), n_draws=10)
    assert flat.auroc.note == "the value is the same in all rows"


def test_column_aurocs_equal_scikit_learn():
    rng = np.random.default_rng(0)
    values, error = np.round(rng.normal(size=(80, 4)), 1), rng.random(80) < 0.3
    expected = [roc_auc_score(error, column) for column in values.T]
    np.testing.assert_allclose(column_aurocs(values, error), expected)
    np.testing.assert_array_equal(column_aurocs(values, np.zeros(80, dtype=bool)), 0.5)


def test_draws_are_shared_between_calls_with_one_seed():
    event, clusters = np.arange(30) % 4 + 1.0, Clusters.of(np.arange(30))
    first, second = (emergence(event, [1, 2, 3, 4], clusters, n_draws=100, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.low, second.low)
