"""AUROC, AUPRC, Spearman and point-biserial: against scikit-learn and scipy, and a bootstrap that copies rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score
from stats_simulation import simulate_run

from lens_report.stats import Clusters, associate
from lens_report.stats.association import average_precision, point_biserial, spearman
from lens_report.stats.auroc import auroc
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
    return [found.auroc, found.auprc, found.spearman, found.point_biserial]


@pytest.mark.parametrize("decimals", [None, 1, 0], ids=["distinct", "some ties", "many ties"])
def test_values_equal_scikit_learn_and_scipy(decimals):
    run = simulate_run(1, planted=0.5)
    score = run.noise if decimals is None else np.round(run.noise, decimals)
    found = associate(score, run.error, run.cluster)
    np.testing.assert_allclose([one.value for one in estimates(found)], references(score, run.error), rtol=1e-9)
    assert found.prevalence == run.error.mean()
    assert (found.auroc.n, found.auroc.n_clusters, found.auroc.n_errors) == (900, 100, run.error.sum())


def copied(run, seed: int, n_draws: int) -> np.ndarray:
    """The four measures on resampled images, rows copied: float [draws, 4]."""
    rng, n_clusters = np.random.default_rng(seed), run.cluster.max() + 1
    members = np.arange(run.error.size).reshape(n_clusters, -1)
    drawn = (members[rng.integers(0, n_clusters, n_clusters)].ravel() for _ in range(n_draws))
    return np.array([references(run.noise[rows], run.error[rows]) for rows in drawn])


@pytest.mark.parametrize("decimals", [None, 0], ids=["distinct", "many ties"])
def test_intervals_agree_with_a_bootstrap_that_copies_rows(decimals):
    run = simulate_run(2, n_clusters=150, per_cluster=6, planted=1.0)
    if decimals is not None:
        run = replace(run, noise=np.round(run.noise, decimals))
    found = associate(run.noise, run.error, run.cluster)
    spread = copied(run, 0, 500).std(axis=0)
    for one, expected in zip(estimates(found), spread, strict=True):
        assert (one.high - one.low) / 2 / 1.976 == pytest.approx(expected, rel=0.12), one


@pytest.mark.parametrize("grain", [2.0, 100.0], ids=["many ties", "distinct"])
def test_influences_are_what_a_row_changes(grain):
    rng = np.random.default_rng(4)
    score, error = np.round(rng.normal(size=400) * grain), rng.random(400) < 0.3
    for measure in (
        average_precision,
        point_biserial,
        lambda score, error: spearman(score, error, auroc(score, error)),
    ):
        value, influence = measure(score, error)
        assert influence.sum() == pytest.approx(0.0, abs=1e-9)
        for row in range(0, 400, 23):
            twice = np.r_[np.arange(400), row]
            changed = measure(score[twice], error[twice])[0] - value
            assert changed == pytest.approx(influence[row], abs=2e-5 + 0.05 * abs(influence[row]))


def test_draws_are_multinomial_and_the_same_whatever_else_is_drawn():
    weights = cluster_weights(40, 3000, np.random.default_rng(0))
    assert (weights.sum(axis=0) == 40).all()
    assert weights.mean(axis=1) == pytest.approx(np.ones(40), abs=0.1)
    assert weights.var() == pytest.approx(1 - 1 / 40, abs=0.02)
    clusters = Clusters.of(np.arange(40))
    alone = bootstrap(clusters, [lambda w: w[0]], n_draws=500, seed=4)
    beside = bootstrap(clusters, [lambda w: w[1:3], lambda w: w[0]], n_draws=500, seed=4)
    assert beside[0].shape == (2, 500)
    np.testing.assert_array_equal(alone[0], beside[1])


def test_rows_without_a_value_are_left_out_and_counted():
    run = simulate_run(6, planted=1.0)
    holes = np.where(np.arange(900) % 9 == 0, np.nan, run.noise)
    found = associate(holes, run.error, run.cluster).auroc
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
    found = associate(score, error, np.arange(len(score)))
    for one in estimates(found):
        assert (one.value, one.low, one.high, one.note) == (None, None, None, note)


def test_too_few_errors_or_clusters_give_a_value_without_interval():
    rng = np.random.default_rng(0)
    score, error = rng.normal(size=60), np.arange(60) < 3
    few_errors = associate(score, error, np.arange(60)).auroc
    assert few_errors.value == pytest.approx(roc_auc_score(error, score))
    assert few_errors.low is None
    assert few_errors.note == "no interval: 3 wrong and 57 right answers, at least 5 of each are needed"
    few_clusters = associate(score, np.arange(60) % 2, np.arange(60) % 4).auroc
    assert few_clusters.note == "no interval: 4 clusters, at least 10 are needed"


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="one entry a row"):
        associate([1.0, 2.0], [1, 0, 1], [1, 2, 3])
