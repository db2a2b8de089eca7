"""AUROC and its clustered variance against scikit-learn and against pairs counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score
from stats_simulation import simulate_run

from lens_report.stats import Clusters, associate, auroc_by_layer, delta_auroc
from lens_report.stats.auroc import auroc, auroc_value, auroc_value_of_counts, difference, estimate, standard_error

EXACT = {"rtol": 1e-9, "atol": 1e-9}


def some_rows(seed: int, n: int, n_clusters: int, grain: float):
    """Scores with more ties the smaller the grain, errors with both classes, clusters."""
    rng = np.random.default_rng(seed)
    error = rng.random(n) < rng.uniform(0.2, 0.8)
    error[:2] = True, False
    return np.round(rng.normal(size=n) * grain), error, Clusters(rng.integers(0, n_clusters, n), n_clusters)


def wins(score, error):
    """float [errors, right answers], 1 where the error has the higher score, 1/2 for ties."""
    gap = score[error][:, None] - score[~error][None, :]
    return (gap > 0) + 0.5 * (gap == 0)


def obuchowski(score, error, codes) -> float:
    """Variance of an AUROC as Obuchowski (1997, equations 3 to 6) writes it, from the components of each row."""
    pairs = wins(score, error)
    area, n_error, n_right = pairs.mean(), error.sum(), (~error).sum()
    of_error, of_right = pairs.mean(axis=1), pairs.mean(axis=0)
    clusters = np.unique(codes)
    error_sums = np.array([(of_error[codes[error] == one] - area).sum() for one in clusters])
    right_sums = np.array([(of_right[codes[~error] == one] - area).sum() for one in clusters])
    with_error, with_right = np.unique(codes[error]).size, np.unique(codes[~error]).size
    s10 = with_error / ((with_error - 1) * n_error) * (error_sums**2).sum()
    s01 = with_right / ((with_right - 1) * n_right) * (right_sums**2).sum()
    s11 = clusters.size / (clusters.size - 1) * (error_sums * right_sums).sum()
    return s10 / n_error + s01 / n_right + 2 * s11 / (n_error * n_right)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(20, 80), st.integers(4, 12), st.sampled_from([0.5, 2.0, 100.0]))
def test_value_and_variance_equal_pairs_counted_one_by_one(seed: int, n: int, n_clusters: int, grain: float):
    score, error, clusters = some_rows(seed, n, n_clusters, grain)
    found = auroc(score, error)
    np.testing.assert_allclose(found.value, wins(score, error).mean(), **EXACT)
    np.testing.assert_allclose(found.value, roc_auc_score(error, score), **EXACT)
    np.testing.assert_allclose(auroc_value(score, error), found.value, **EXACT)
    if min(np.unique(clusters.codes[rows]).size for rows in (error, ~error)) > 1:
        expected = max(obuchowski(score, error, clusters.codes), 0.0)
        np.testing.assert_allclose(standard_error(found.influence, error, clusters) ** 2, expected, **EXACT)


def test_variance_of_independent_rows_is_that_of_delong():
    run = simulate_run(1, planted=1.0)
    error = run.error > 0
    pairs = wins(run.noise, error)
    delong = pairs.mean(axis=1).var(ddof=1) / error.sum() + pairs.mean(axis=0).var(ddof=1) / (~error).sum()
    found = auroc(run.noise, error)
    np.testing.assert_allclose(
        standard_error(found.influence, error, Clusters.of(np.arange(900))) ** 2, delong, **EXACT
    )


def test_paired_difference_equals_delong_with_covariance():
    run = simulate_run(2, planted=1.0)
    error, other = run.error > 0, run.noise + np.random.default_rng(0).normal(size=900)
    first, second = wins(run.noise, error), wins(other, error)
    gap = second - first
    variance = gap.mean(axis=1).var(ddof=1) / error.sum() + gap.mean(axis=0).var(ddof=1) / (~error).sum()
    rows = Clusters.of(np.arange(900))
    found = difference(auroc(run.noise, error), auroc(other, error), error, rows)
    np.testing.assert_allclose(found.value, roc_auc_score(error, other) - roc_auc_score(error, run.noise), **EXACT)
    np.testing.assert_allclose((found.high - found.low) / 2, student.ppf(0.975, 899) * np.sqrt(variance), **EXACT)


def test_interval_agrees_with_a_bootstrap_of_images():
    run = simulate_run(3, n_clusters=200, planted=1.0)
    found = associate(run.noise, run.error, run.cluster).auroc
    rng, members = np.random.default_rng(0), np.arange(1800).reshape(200, 9)
    draws = [
        roc_auc_score(run.error[rows], run.noise[rows])
        for rows in (members[rng.integers(0, 200, 200)].ravel() for _ in range(1500))
    ]
    np.testing.assert_allclose((found.low, found.high), np.quantile(draws, (0.025, 0.975)), atol=0.004)


def test_pairs_are_compared_within_strata_only():
    rng = np.random.default_rng(0)
    strata = rng.integers(0, 4, 300)
    error = (rng.random(300) < 0.3) & (strata < 3)  # the last stratum holds one class and takes no part
    score = np.round(rng.normal(size=300), 1) + 100 * strata
    parts = [(wins(score[rows], error[rows]), rows) for rows in (strata == level for level in range(3))]
    found = auroc(score, error, strata)
    expected = sum(part.sum() for part, _ in parts) / sum(part.size for part, _ in parts)
    np.testing.assert_allclose(found.value, expected, **EXACT)
    np.testing.assert_allclose(found.influence[error].sum(), 0.0, atol=1e-12)
    # the influence is the derivative of the estimate by the weight of a row: take one away
    row = int(np.flatnonzero(error)[0])
    rest = np.arange(300) != row
    without = auroc(score[rest], error[rest], strata[rest]).value
    assert found.value - without == pytest.approx(found.influence[row], rel=0.05)


def test_strata_with_one_class_only_hold_no_pair():
    error = np.arange(40) < 20
    found = estimate(auroc(np.arange(40.0), error, error.astype(int)), error, Clusters.of(np.arange(40)))
    assert (found.value, found.note) == (None, "no pair of an error and a right answer")


def test_a_perfect_ranking_has_an_interval_that_its_clusters_allow():
    error, cluster = np.arange(60) % 3 == 0, np.arange(60) // 3
    perfect = associate(error + 0.01 * np.arange(60) % 3, error, cluster).auroc
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert 0.75 < perfect.low < 0.9, "twenty clusters"


def test_clustering_widens_the_interval():
    run = simulate_run(5)
    image_metric = (np.bincount(run.cluster, weights=run.noise) / 9)[run.cluster]
    by_image = associate(image_metric, run.error, run.cluster).auroc
    by_row = associate(image_metric, run.error, np.arange(run.error.size)).auroc
    assert by_image.value == by_row.value
    assert by_image.high - by_image.low > 1.2 * (by_row.high - by_row.low)


def test_auroc_by_layer_is_that_of_each_layer():
    run = simulate_run(4)
    values = run.paths[:, :4].copy()
    values[:5, 1] = np.nan
    values[:, 2] = 1.0
    found = auroc_by_layer(values, run.error, run.cluster)
    for layer in (0, 1, 3):
        known = np.isfinite(values[:, layer])
        expected = roc_auc_score(run.error[known], values[known, layer])
        np.testing.assert_allclose(found[layer].value, expected, **EXACT)
        assert found[layer].n == known.sum()
    assert found[2].note == "the value is the same in all rows"
    assert [one.note for one in auroc_by_layer(values, np.zeros(900), run.cluster)] == [
        "5 of 900 rows have no value; no answer is wrong" if layer == 1 else "no answer is wrong" for layer in range(4)
    ]


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 80), st.integers(1, 300))
def test_counted_whole_numbers_have_the_auroc_of_sorted_ones(seed: int, n: int, largest: int):
    rng = np.random.default_rng(seed)
    level, error = rng.integers(0, largest + 1, n).astype(np.min_scalar_type(largest)), rng.random(n) < 0.5
    np.testing.assert_equal(auroc_value_of_counts(level, error), auroc_value(level.astype(np.float64), error))


def test_one_class_has_no_auroc():
    assert np.isnan(auroc_value_of_counts(np.arange(5), np.zeros(5, dtype=bool)))
    assert np.isnan(auroc_value(np.arange(5.0), np.ones(5, dtype=bool)))
    assert np.isnan(auroc(np.arange(5.0), np.zeros(5, dtype=bool)).value)


def test_a_metric_that_says_nothing_new_leaves_a_difference_of_about_zero():
    run = simulate_run(6)
    gain = delta_auroc(run.margin**3, [run.margin], run.error, run.cluster)
    assert abs(gain.delta.value) < 0.01
    assert gain.delta.low <= gain.delta.value <= gain.delta.high
