"""What a metric adds to final confidence: cross-fitted AUROC and logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from stats_simulation import simulate_run
from tolerances import bounds

from lens_report.stats import Clusters, delta_auroc, logistic_increment, path_metrics
from lens_report.stats.cross_fitting import cross_fitted, grouped_folds, spline
from lens_report.stats.increment import baseline_design, independent_columns, merge_rare


def test_a_planted_effect_is_found():
    run = simulate_run(3, planted=1.5)
    gain = delta_auroc(run.noise, [run.margin], run.error, run.cluster)
    assert gain.adds
    assert gain.delta.value == pytest.approx(gain.combined.value - gain.baseline.value)
    assert gain.baseline.value == pytest.approx(roc_auc_score(run.error, -run.margin), abs=0.02)
    increment = logistic_increment(run.noise, run.error, run.cluster, margin=run.margin, categories=[run.pred])
    assert increment.p_wald < 1e-6
    assert 0 < increment.low < increment.log_odds_ratio < increment.high


def test_a_metric_that_only_repeats_the_margin_adds_nothing():
    run = simulate_run(8)
    depth = path_metrics(run.paths, run.depth)["commit_depth"]
    assert roc_auc_score(run.error, depth) > 0.6, "by itself it looks like a predictor"
    assert not delta_auroc(depth, [run.margin], run.error, run.cluster).adds
    increment = logistic_increment(depth, run.error, run.cluster, margin=run.margin, categories=[run.pred])
    assert increment.p_wald > 0.05


def test_gain_without_noise_is_the_difference_of_areas():
    run = simulate_run(5)
    gain = delta_auroc(run.error, [run.margin], run.error, run.cluster)
    assert gain.combined.value == pytest.approx(1.0)
    assert gain.delta.low > 0.1


@pytest.mark.parametrize(("seed", "n_clusters", "largest"), [(0, 40, 1), (1, 300, 6), (2, 60, 25)])
def test_folds_are_those_of_scikit_learn(seed: int, n_clusters: int, largest: int):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_clusters), rng.integers(1, largest + 1, n_clusters))
    error = rng.random(codes.size) < 0.3
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    expected = np.zeros(codes.size)
    for number, (_, held_out) in enumerate(splitter.split(codes, error, codes)):
        expected[held_out] = number
    np.testing.assert_array_equal(grouped_folds(Clusters.of(codes), error, seed=seed), expected)


def test_folds_keep_clusters_whole_and_spread_errors():
    run = simulate_run(6)
    fold = grouped_folds(Clusters.of(run.cluster), run.error > 0, n_folds=5)
    assert all(np.unique(fold[run.cluster == cluster]).size == 1 for cluster in range(100))
    errors = np.bincount(fold, weights=run.error)
    assert np.ptp(errors) <= 5
    assert np.ptp(np.bincount(fold)) <= 9


def test_held_out_rows_do_not_reach_their_own_model():
    run = simulate_run(7)
    clusters, error = Clusters.of(run.cluster), run.error > 0
    fold = grouped_folds(clusters, error)
    features = np.column_stack([run.margin, run.noise])
    flipped = np.where(fold == 2, ~error, error)
    unchanged = cross_fitted(features, error, fold)[fold == 2]
    np.testing.assert_allclose(unchanged, cross_fitted(features, flipped, fold)[fold == 2], **bounds("float64", 900))


def test_spline_is_smooth_and_falls_back_to_a_line():
    values = np.sort(np.random.default_rng(0).normal(size=400))
    columns = np.column_stack([np.ones(400), spline(values)])
    assert columns.shape == (400, 7)
    fitted = columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    allowed = bounds("float64", 400, scale=np.linalg.cond(columns) * np.abs(values).max())
    np.testing.assert_allclose(fitted, values, **allowed, err_msg="a line is among the curves")
    assert spline(np.array([0.0, 1.0, 1.0, 0.0])).shape == (4, 1)


def test_gain_says_why_there_is_none():
    score, confidence = np.arange(40.0), np.arange(40.0)[::-1]
    none = delta_auroc(score, [confidence], np.zeros(40), np.arange(40))
    assert (none.delta.value, none.delta.note) == (None, "no answer is wrong")
    constant = delta_auroc(np.ones(40), [confidence], np.arange(40) % 2, np.arange(40))
    assert constant.delta.note == "the value is the same in all rows"
    small = delta_auroc(score, [confidence], np.arange(40) < 3, np.arange(40))
    assert small.delta.note.startswith("too small to cross-fit: errors in 3 and right answers in 37 of 40 clusters")
    missing = delta_auroc(np.where(score < 4, np.nan, score), [confidence], np.arange(40) % 2, np.arange(40))
    assert missing.delta.note.startswith("4 of 40 rows have no value")
    with pytest.raises(ValueError, match="a gain is over a baseline"):
        delta_auroc(score, [], np.zeros(40), np.arange(40))


def test_increment_equals_a_regression_written_out():
    run = simulate_run(8, planted=0.3)
    found = logistic_increment(run.noise, run.error, run.cluster, margin=run.margin, entropy=run.paths[:, 3])
    base = baseline_design([run.margin, run.paths[:, 3]], [], run.error > 0)
    metric = (run.noise - run.noise.mean()) / run.noise.std()
    full = sm.Logit(run.error, np.column_stack([base, metric])).fit(disp=0)
    assert found.log_odds_ratio == pytest.approx(full.params[-1], rel=1e-6)
    # The sandwich by hand: bread (X'WX)^-1 around the outer products of the clusters' score sums, with G / (G - 1).
    design = full.model.exog
    bread = np.linalg.inv(design.T @ (design * (full.predict() * (1 - full.predict()))[:, None]))
    scores = Clusters.of(run.cluster).sums(design * (run.error - full.predict())[:, None])
    meat = scores.T @ scores * 100 / 99 * (900 - 1) / (900 - design.shape[1])
    error = np.sqrt((bread @ meat @ bread)[-1, -1])
    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(error, rel=1e-3)


def test_increment_says_why_there_is_none():
    rng = np.random.default_rng(0)
    margin, error, cluster = rng.normal(size=200), rng.random(200) < 0.4, np.arange(200)
    assert logistic_increment(2 * margin + 1, error, cluster, margin=margin).note == (
        "the metric is a function of final confidence"
    )
    assert logistic_increment(margin, np.zeros(200), cluster, margin=margin).note == "no answer is wrong"
    few = logistic_increment(rng.normal(size=200), np.arange(200) < 12, cluster, margin=margin)
    assert few.note.startswith("too few errors or right answers for 8 columns")
    separated = logistic_increment(error + rng.normal(0, 0.01, 200), error, cluster, margin=margin)
    assert separated.p_wald is None
    assert separated.note.startswith("the regression did not converge")
    assert (separated.n, separated.n_errors) == (200, int(error.sum()))


def test_rare_levels_are_merged_and_redundant_columns_left_out():
    label = np.array(["a"] * 20 + ["b"] * 20 + ["c", "d", None], dtype=object)
    error = np.arange(43) % 2 == 0
    assert np.unique(merge_rare(label, error)).tolist() == [-1, 0, 1]
    x = np.random.default_rng(0).normal(size=50)
    assert independent_columns(np.column_stack([np.ones(50), x, 3 * x + 1, np.ones(50), x**2])).shape == (50, 3)
    for constant in (0.1, 0.7, 1 / 3):
        assert independent_columns(np.column_stack([np.ones(50), x, np.full(50, constant)])).shape == (50, 2)
