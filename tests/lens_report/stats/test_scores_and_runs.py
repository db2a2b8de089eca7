"""Score intervals, comparison of two runs, AUROC by stratum, power."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel
from sklearn.metrics import roc_auc_score
from stats_simulation import simulate_run
from statsmodels.stats.proportion import proportion_confint
from tolerances import near

from lens_report.measures.comparison import compare_runs
from lens_report.stats import associate, design_effect, power, score_interval, stratified_auroc
from lens_report.stats.power import auroc_error


def test_score_of_independent_samples_is_wilsons_interval():
    right = np.arange(2000) < 1700
    found = score_interval(right, np.arange(2000))
    low, high = proportion_confint(1700, 2000, method="wilson")
    assert (found.value, found.low, found.high) == (0.85, pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert found.method.startswith("Wilson")


def test_clusters_widen_the_score_interval():
    right = np.repeat(np.arange(50) % 5 > 0, 10)
    by_cluster, by_row = (score_interval(right, labels) for labels in (np.repeat(np.arange(50), 10), np.arange(500)))
    assert by_cluster.high - by_cluster.low > 2.9 * (by_row.high - by_row.low)


def test_a_perfect_score_has_an_interval():
    perfect = score_interval(np.ones(100), np.repeat(np.arange(20), 5))
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert 0.75 < perfect.low < 0.9, "twenty clusters, not a hundred rows"


def test_scores_that_are_not_shares_get_a_t_interval():
    values = np.random.default_rng(0).normal(30, 5, 200)
    found = score_interval(values, np.arange(200))
    assert found.high - found.low == pytest.approx(2 * 1.972 * values.std(ddof=1) / np.sqrt(200), rel=1e-3)


def test_score_interval_says_why_there_is_none():
    assert score_interval([np.nan], ["a"]).note == "no rows with a value"
    assert score_interval([1.0, 0.0], ["a", "b"]).note == "no interval: 2 clusters, at least 10 are needed"
    holes = score_interval(np.r_[np.nan, np.ones(20)], np.arange(21))
    assert (holes.n, holes.note) == (20, "1 of 21 rows have no value")


def frame(values, docs=None) -> pd.DataFrame:
    docs = np.arange(len(values)) if docs is None else docs
    return pd.DataFrame(
        {
            "task": "pope", "doc_id": docs, "request_idx": 0, "repeat": 0,
            "cluster": [f"image {doc // 3}" for doc in docs], "correct": pd.array(values, dtype="boolean"),
        }
    )  # fmt: skip


def test_runs_are_compared_sample_by_sample():
    rng = np.random.default_rng(0)
    a = rng.random(300) < 0.7
    b = np.where(rng.random(300) < 0.2, True, a)
    shuffled = frame(b).sample(frac=1, random_state=1)
    found = compare_runs(frame(a), shuffled)
    assert found.difference.value == pytest.approx(b.mean() - a.mean())
    assert (found.mean_a, found.mean_b) == (pytest.approx(a.mean()), pytest.approx(b.mean()))
    assert (found.b_higher, found.a_higher) == ((b > a).sum(), 0)
    assert found.difference.low > 0
    assert found.p_value < 0.001
    assert (found.difference.n, found.difference.n_clusters) == (300, 100)


def test_comparison_of_independent_samples_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    a, b = frame(np.ones(60)).assign(x=rng.normal(size=60)), frame(np.ones(60)).assign(x=rng.normal(0.2, 1, 60))
    a["cluster"] = np.arange(60)
    found, reference = compare_runs(a, b, value="x"), ttest_rel(b["x"], a["x"])
    assert found.p_value == pytest.approx(reference.pvalue)
    interval = reference.confidence_interval()
    assert (found.difference.low, found.difference.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_samples_of_one_run_only_are_counted():
    found = compare_runs(frame([True] * 40 + [None]), frame([True, False] * 20, np.arange(5, 45)))
    assert (found.difference.n, found.only_a, found.only_b) == (35, 5, 5)
    assert found.difference.note == "5 samples of the first run and 5 of the second are not shared"


@pytest.mark.parametrize("gap", [0.1, 0.7, 1 / 3, 2.2])
@pytest.mark.parametrize("n", [20, 60, 333])
def test_a_difference_that_is_the_same_everywhere_has_no_p_value_whatever_its_sum_rounds_to(gap: float, n: int):
    first, second = (frame(np.ones(n)).assign(x=value, cluster=np.arange(n)) for value in (0.0, gap))
    same = compare_runs(first, second, value="x")
    assert same.difference.value == near(gap, "float64", n)
    assert (same.difference.low, same.p_value) == (None, None)
    assert same.difference.note == "no interval: the difference is the same in all clusters"


def test_comparison_says_why_there_is_none():
    apart = compare_runs(frame([True] * 3), frame([True] * 3, [7, 8, 9]))
    assert apart.difference.note.endswith("no shared samples")
    same = compare_runs(frame([True, False] * 30), frame([True, False] * 30))
    assert (same.difference.value, same.p_value) == (0.0, None)
    assert same.difference.note == "no interval: the difference is the same in all clusters"
    with pytest.raises(ValueError, match="the second run holds 1 samples twice by task, doc_id"):
        compare_runs(frame([True]), frame([True, False], [0, 0]))


def test_a_metric_that_only_says_yes_is_at_chance_within_predicted_answers():
    rng = np.random.default_rng(0)
    said_yes = rng.integers(0, 2, 1500)
    error = rng.random(1500) < np.where(said_yes, 0.4, 0.1)
    score = said_yes + rng.normal(0, 0.2, 1500)
    cluster = np.arange(1500) // 5
    assert associate(score, error, cluster).auroc.low > 0.6
    found = stratified_auroc(score, error, cluster, np.where(said_yes, "yes", "no"))
    assert found.within.low < 0.5 < found.within.high
    for level, estimate in found.levels.items():
        rows = said_yes == (level == "yes")
        assert estimate.value == pytest.approx(roc_auc_score(error[rows], score[rows]))
        assert estimate.n == rows.sum()


def test_levels_without_errors_say_so():
    error, score = np.arange(60) < 10, np.random.default_rng(0).normal(size=60)
    label = pd.Series(np.where(np.arange(60) < 30, "a", "b"), dtype=object)
    label[59] = None
    found = stratified_auroc(score, error, np.arange(60), label)
    assert list(found.levels) == ["a", "b", "missing"]
    assert found.levels["b"].note == "no answer is wrong"
    assert found.within.value == found.levels["a"].value
    nothing = stratified_auroc(score, np.zeros(60), np.arange(60), label)
    assert nothing.within.value is None


def test_hanley_and_mcneil_by_their_own_example():
    # Hanley and McNeil 1982, table II: area .893, 51 abnormal and 58 normal images, standard error .032.
    assert auroc_error(0.893, 51, 58) == pytest.approx(0.032, abs=0.001)


def test_power_statement():
    large = power(360, 2640)
    assert large.half_width == pytest.approx(0.028, abs=0.002)
    assert large.enough
    assert "too small" not in large.statement
    small = power(20, 60, design_effect=1.5)
    assert not small.enough
    assert small.statement.startswith("With 20 wrong and 60 right answers and a design effect of 1.5")
    assert small.statement.endswith("The set is too small to tell an AUROC of 0.6 from chance.")
    assert power(0, 10).statement == "There are no wrong answers, so nothing can be said about errors."
    assert power(20, 60, design_effect=0.5).design_effect == 1.0


def test_design_effect_of_independent_rows_is_one():
    run = simulate_run(1)
    by_row = associate(np.random.default_rng(0).normal(size=900), run.error, np.arange(900)).auroc
    assert design_effect(by_row) == pytest.approx(1.0, abs=0.15)
    assert design_effect(associate([], [], []).auroc) is None
