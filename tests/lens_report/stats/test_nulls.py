"""Permuted labels, max-T, Holm, and the random walk fitted to a run."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from stats_simulation import simulate_run
from statsmodels.stats.multitest import multipletests
from tolerances import near

from lens_report.stats import Clusters, RandomWalk, holm, max_t, path_metrics, permutation_null, random_walk_null
from lens_report.stats.permutation import _Problem


def test_a_planted_effect_is_outside_the_null():
    run = simulate_run(1, planted=0.6)
    found = permutation_null(run.noise, run.error, run.cluster, strata=run.pred, n_permutations=400)
    assert found.observed == pytest.approx(roc_auc_score(run.error, run.noise))
    assert found.null_low < 0.5 < found.null_high < found.observed
    assert found.p_value == pytest.approx(1 / 401)
    assert found.p_adjusted is None


def test_the_null_of_a_score_that_only_tells_strata_apart_is_not_at_one_half():
    rng = np.random.default_rng(0)
    said_yes = rng.integers(0, 2, 2000)
    error = rng.random(2000) < np.where(said_yes, 0.3, 0.05)
    found = permutation_null(said_yes + rng.normal(0, 0.1, 2000), error, np.arange(2000), strata=said_yes)
    assert found.observed > 0.6
    assert found.null_low > 0.6, "all of it is explained by the predicted answer"
    assert found.p_value > 0.05
    unstratified = permutation_null(said_yes + rng.normal(0, 0.1, 2000), error, np.arange(2000))
    assert unstratified.p_value < 0.01


def test_permutations_stay_within_strata():
    run = simulate_run(2)
    problem = _Problem.of(run.noise[:, None], run.error > 0, Clusters.of(run.cluster), run.pred)
    permuted = np.concatenate([np.unpackbits(block, axis=0) for block in problem.permuted(200, seed=0)])
    assert len(np.unique(permuted, axis=0)) == len(permuted) == 200
    for level in (0, 1):
        rows = run.pred == level
        assert (permuted[:, rows].sum(axis=1) == run.error[rows].sum()).all()
    auroc = problem.statistics(permuted)[0][0]
    assert auroc == pytest.approx([roc_auc_score(draw, run.noise) for draw in permuted])


def test_statistic_is_a_cluster_robust_z():
    run = simulate_run(3)
    problem = _Problem.of(run.noise[:, None], run.error > 0, Clusters.of(np.arange(900)), np.zeros(900, dtype=int))
    z = problem.statistics(run.error[None])[1][0, 0]
    auroc, n_error = roc_auc_score(run.error, run.noise), run.error.sum()
    n_right = 900 - n_error
    mann_whitney = (auroc - 0.5) * np.sqrt(n_error * n_right * 12 / 901)
    assert z == pytest.approx(mann_whitney, abs=0.1)
    assert permutation_null(run.noise, run.error, np.arange(900), n_permutations=2000).p_value == pytest.approx(
        2 * norm.sf(abs(z)), abs=0.03
    )


def test_max_t_is_stricter_than_each_test_alone():
    run = simulate_run(4)
    rng = np.random.default_rng(0)
    layers = rng.normal(size=(900, 10))
    layers[:, 7] += 0.6 * run.error
    tests = max_t(layers, run.error, run.cluster, n_permutations=400)
    assert len(tests) == 10
    assert all(test.p_adjusted >= test.p_value for test in tests)
    assert tests[7].p_adjusted < 0.01
    assert min(test.p_adjusted for i, test in enumerate(tests) if i != 7) > 0.05


def test_null_tests_say_why_there_is_none():
    flat = max_t(np.column_stack([np.ones(60), np.arange(60.0)]), np.arange(60) % 2, np.arange(60), n_permutations=50)
    assert flat[0].note == "the value is constant within strata"
    assert flat[1].p_value is not None
    one_class = permutation_null(np.arange(60.0), np.zeros(60), np.arange(60))
    assert (one_class.observed, one_class.n_simulations) == (None, 0)
    assert one_class.note == "0 wrong and 60 right answers, at least 5 of each are needed"
    assert permutation_null([], [], []).note == "no rows with a value and a verdict"
    holes = max_t([[np.nan, 1.0]] * 3 + [[float(i), 1.0 + i] for i in range(40)], np.arange(43) % 2, np.arange(43))
    assert holes[1].note == "3 of 43 rows have no value"


def test_holm_by_hand():
    adjusted = holm({"a": 0.01, "b": 0.04, "c": None, "d": 0.03})
    assert adjusted == {"a": pytest.approx(0.03), "b": pytest.approx(0.06), "c": None, "d": pytest.approx(0.06)}
    assert holm({"a": None}) == {"a": None}
    assert holm({}) == {}


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_holm_equals_statsmodels(n: int):
    p_values = np.random.default_rng(n).random(n) ** 4
    p_values[n // 2] = p_values[0]
    found = holm({str(place): value for place, value in enumerate(p_values)})
    expected = multipletests(p_values, method="holm")[1]
    assert [found[str(place)] for place in range(n)] == near(expected.tolist(), "float64", 2)


def test_path_metrics_by_hand():
    paths = np.array([[1.0, -1.0, 2.0, 3.0], [-1.0, -1.0, -1.0, 0.5], [1.0, 1.0, 1.0, -1.0]])
    found = path_metrics(paths, np.array([0.25, 0.5, 0.75, 1.0]))
    np.testing.assert_array_equal(found["commit_depth"], [0.75, 1.0, np.nan])
    np.testing.assert_array_equal(found["flips"], [2, 1, 1])
    share = 1 / (1 + np.exp(-paths[:, 2:]))
    np.testing.assert_allclose(found["auc_pred"], share.mean(axis=1))
    np.testing.assert_allclose(found["max_alt"], 1 - share.min(axis=1))


def test_simulated_walks_keep_ends_means_spread_and_clusters():
    run = simulate_run(5, n_clusters=200, per_cluster=10)
    clusters = Clusters.of(run.cluster)
    walk = RandomWalk.fit(run.paths, clusters, run.pred)
    simulated = walk.simulator(run.margin)(next(walk.donors(np.random.default_rng(0))))
    np.testing.assert_allclose(simulated[:, -1], run.margin)
    np.testing.assert_allclose(simulated.mean(axis=0), run.paths.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(simulated.T), np.cov(run.paths.T), rtol=0.2, atol=0.15)
    donors = next(walk.donors(np.random.default_rng(1)))
    assert sorted(donors) == list(range(2000)), "every bridge is used once"
    assert all(np.unique(run.cluster[donors[run.cluster == cluster]]).size == 1 for cluster in range(200))


def test_clusters_of_different_sizes_exchange_bridges():
    clusters = Clusters.of([0, 0, 0, 1, 2, 2])
    walk = RandomWalk.fit(np.random.default_rng(0).normal(size=(6, 4)), clusters, np.zeros(6, dtype=int))
    for seed in range(20):
        donors = next(walk.donors(np.random.default_rng(seed)))
        for cluster in range(3):
            assert np.unique(clusters.codes[donors[clusters.codes == cluster]]).size == 1


def test_random_walk_null_explains_the_walk_and_not_a_planted_path():
    run = simulate_run(6)
    null = random_walk_null(run.paths, run.depth, run.error, run.cluster, strata=run.pred, n_simulations=99)
    assert null["commit_depth"].observed > 0.6
    assert null["commit_depth"].null_low < null["commit_depth"].observed < null["commit_depth"].null_high
    planted = run.paths.copy()
    planted[:, 5:-1] -= 1.5 * run.error[:, None]
    found = random_walk_null(planted, run.depth, run.error, run.cluster, strata=run.pred, n_simulations=99)
    assert found["auc_pred"].observed > found["auc_pred"].null_high
    assert found["auc_pred"].p_value == pytest.approx(2 / 100)


def test_random_walk_null_says_why_there_is_none():
    run = simulate_run(7)
    short = random_walk_null(run.paths[:, -2:], run.depth[-2:], run.error, run.cluster)
    assert short["flips"].note == "a walk needs three recorded layers, found 2"
    none = random_walk_null(run.paths, run.depth, np.zeros(900), run.cluster)
    assert none["auc_pred"].note == "0 wrong and 900 right answers, at least 5 of each are needed"
    empty = random_walk_null(np.full((900, 12), np.nan), run.depth, run.error, run.cluster)
    assert empty["flips"].note == "no rows with a path and a verdict"
