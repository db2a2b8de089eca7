"""AUROC, AUPRC, Spearman and point-biserial: against scikit-learn and scipy, and a bootstrap that copies rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, pearsonr, spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score
from stats_simulation import simulate_run
from tolerances import bounds

from lens_report.stats import Clusters, associate
from lens_report.stats.association import MEASURES, Scored, measures
from lens_report.stats.clusters import bootstrap, cluster_weights


def references(score, error) -> np.ndarray:
    return np.array(
        [
            roc_auc_score(error, score),
            average_precision_score(error, score),
            spearmanr(score, error).statistic,
            pearsonr(score, error).statistic,
        ]
    )


def estimates(found) -> list:
    return [getattr(found, name) for name in MEASURES]


@pytest.mark.parametrize("decimals", [None, 1, 0], ids=["distinct", "some ties", "many ties"])
def test_values_equal_scikit_learn_and_scipy(decimals):
    run = simulate_run(1, planted=0.5)
    score = run.noise if decimals is None else np.round(run.noise, decimals)
    found = associate(score, run.error, run.cluster, n_draws=50)
    np.testing.assert_allclose(
        [one.value for one in estimates(found)], references(score, run.error), **bounds("float64", 900)
    )
    assert found.prevalence == run.error.mean()
    assert (found.auroc.n, found.auroc.n_clusters, found.auroc.n_errors) == (900, 100, run.error.sum())


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(1, 30), st.sampled_from([1.0, 2.0, 100.0]))
def test_a_weighting_equals_copying_rows(seed: int, n_clusters: int, n: int, grain: float):
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, n_clusters, n)
    error = rng.random(n) < 0.4
    score = np.round(rng.normal(size=n) * grain)
    rows = Scored.of(score, error, Clusters(cluster, n_clusters))
    weights = cluster_weights(n_clusters, 8, rng)
    found = measures(rows)(weights)
    for draw, times in enumerate(weights.T.astype(int)):
        copied = np.repeat(np.arange(n), times[cluster])
        drawn, wrong = score[copied], error[copied]
        if wrong.size and wrong.any() and not wrong.all() and np.ptp(drawn) > 0:
            np.testing.assert_allclose(found[:, draw], references(drawn, wrong), **bounds("float64", drawn.size))
        elif not wrong.any() or wrong.all():
            assert np.isnan(found[:, draw]).all()


def test_interval_equals_a_bootstrap_that_copies_rows():
    run = simulate_run(2, n_clusters=25, per_cluster=6, planted=1.0)
    found = associate(run.noise, run.error, run.cluster, n_draws=200, seed=3)
    drawn = bootstrap(Clusters.of(run.cluster), [lambda weights: weights], n_draws=200, seed=3)[0]
    copies = []
    for times in drawn.T.astype(int):
        rows = np.concatenate([np.flatnonzero(run.cluster == c) for c in np.repeat(np.arange(25), times)])
        copies.append(references(run.noise[rows], run.error[rows]))
    low = norm.cdf(-np.sqrt(25 / 24) * 2.063899)  # 24 degrees of freedom
    expected = np.quantile(copies, (low, 1 - low), axis=0).T
    np.testing.assert_allclose([(one.low, one.high) for one in estimates(found)], expected, rtol=1e-5)


def test_draws_are_multinomial_and_do_not_depend_on_blocks():
    weights = cluster_weights(40, 3000, np.random.default_rng(0))
    assert (weights.sum(axis=0) == 40).all()
    assert weights.mean(axis=1) == pytest.approx(np.ones(40), abs=0.1)
    assert weights.var() == pytest.approx(1 - 1 / 40, abs=0.02)
    clusters = Clusters.of(np.arange(40))
    alone = bootstrap(clusters, [lambda w: w[0]], n_draws=500, seed=4)
    beside = bootstrap(clusters, [lambda w: w[1:3], lambda w: w[0]], n_draws=500, seed=4)
    assert beside[0].shape == (2, 500)
    np.testing.assert_array_equal(alone[0], beside[1])


def test_clustering_widens_the_interval():
    run = simulate_run(5)
    image_metric = (np.bincount(run.cluster, weights=run.noise) / 9)[run.cluster]
    by_image = associate(image_metric, run.error, run.cluster, n_draws=2000).auroc
    by_row = associate(image_metric, run.error, np.arange(run.error.size), n_draws=2000).auroc
    assert by_image.value == by_row.value
    assert by_image.high - by_image.low > 1.2 * (by_row.high - by_row.low)


def test_rows_without_a_value_are_left_out_and_counted():
    run = simulate_run(6, planted=1.0)
    holes = np.where(np.arange(900) % 9 == 0, np.nan, run.noise)
    found = associate(holes, run.error, run.cluster, n_draws=200).auroc
    kept = np.isfinite(holes)
    assert found.value == pytest.approx(roc_auc_score(run.error[kept], holes[kept]))
    assert (found.n, found.note) == (800, "100 of 900 rows have no value")


def test_rows_without_a_cluster_are_clusters_of_their_own():
    clusters = Clusters.of(["a", None, "a", None, "b"])
    assert (clusters.count, clusters.n_unlabelled) == (4, 2)
    assert clusters.codes.tolist() == [0, 2, 0, 3, 1]


@pytest.mark.parametrize(
    ("score", "error", "note"),
    [
        ([], [], "no rows with a value and a verdict"),
        ([1.0, 2.0, 3.0], [0, 0, 0], "no answer is wrong"),
        ([1.0, 2.0, 3.0], [1, 1, 1], "all answers are wrong"),
        ([2.0, 2.0, 2.0], [1, 0, 1], "the value is the same in all rows"),
        ([np.nan, np.nan], [1, 0], "2 of 2 rows have no value; no rows with a value and a verdict"),
    ],
)
def test_without_a_value_the_reason_is_given(score, error, note):
    found = associate(score, error, np.arange(len(score)), n_draws=20)
    for one in estimates(found):
        assert (one.value, one.low, one.high, one.note) == (None, None, None, note)


def test_too_few_errors_or_clusters_give_a_value_without_interval():
    rng = np.random.default_rng(0)
    score, error = rng.normal(size=60), np.arange(60) < 3
    few_errors = associate(score, error, np.arange(60), n_draws=100).auroc
    assert few_errors.value == pytest.approx(roc_auc_score(error, score))
    assert few_errors.low is None
    assert few_errors.note == "no interval: 3 wrong and 57 right answers, at least 5 of each are needed"
    few_clusters = associate(score, np.arange(60) % 2, np.arange(60) % 4, n_draws=100).auroc
    assert few_clusters.note == "no interval: 4 clusters, at least 10 are needed"


def test_errors_in_one_cluster_only_give_no_interval():
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(12), 10)
    found = associate(rng.normal(size=120), cluster == 0, cluster, n_draws=500).auroc
    assert found.low is None
    assert "of the resampled sets have one class only" in found.note


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="one entry a row"):
        associate([1.0, 2.0], [1, 0, 1], [1, 2, 3])
