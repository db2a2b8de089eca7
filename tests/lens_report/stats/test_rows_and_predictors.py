"""Which rows and columns may be used, and the whole protocol on one frame."""

from __future__ import annotations

import functools
from dataclasses import fields, is_dataclass
from math import isnan

import numpy as np
import pandas as pd
import pytest
from close_results import assert_close_results
from scipy.stats import norm
from stats_simulation import simulate_run
from tolerances import near

from lens_report.measures.columns import numbers, strata_labels
from lens_report.measures.error_rows import without_repetitions
from lens_report.measures.predictors import NotAPredictorError, Ranking, rank_predictors, require_predictors
from lens_report.stats import Estimate, associate, delta_auroc, logistic_increment, permutation_null
from lens_report.stats.results import Sizes, interval_levels, percentile_estimate

QUICK = {"n_permutations": 100}


def run_frame(seed: int = 8, planted: float = 1.5) -> pd.DataFrame:
    run = simulate_run(seed, planted=planted)
    return pd.DataFrame(
        {
            "right": pd.array(run.error == 0, dtype="boolean"),
            "group": [f"image {cluster}" for cluster in run.cluster],
            "answered": pd.array(run.pred, dtype="Int32"),
            "question_type": np.where(np.arange(900) % 3, "adversarial", "random"),
            "label_free.final_margin": run.margin,
            "label_free.overthinking": run.noise,
            "label_free.max_alt": np.random.default_rng(seed).random(900),
            "label_free.flips": np.where(np.arange(900) % 3, np.nan, 1.0 * np.arange(900) % 4),
            "label_free.dola_jsd": 0.5,
            "null.answer_length": np.arange(900) % 7,
            "gold_based.first_correct_layer": np.arange(900) % 12,
        }
    )


@functools.cache
def ranked() -> Ranking:
    """The protocol on the frame as it is; tests share it and leave it as it is."""
    return rank_predictors(run_frame(), METRICS, **QUICK)


METRICS = [column for column in run_frame() if column.startswith(("label_free.", "null."))]


def test_protocol_finds_the_planted_metric_and_agrees_with_its_parts():
    frame = run_frame()
    found = {one.column: one for one in ranked().predictors}
    assert list(found) == sorted(found, key=lambda c: -(found[c].association.auroc.value or 0))
    error, cluster = (~frame["right"].to_numpy(dtype=bool)).astype(float), frame["group"]
    margin, noise = frame["label_free.final_margin"], frame["label_free.overthinking"]
    planted = found["label_free.overthinking"]
    assert_close_results(planted.association, associate(noise, error, cluster), 900)
    gain = delta_auroc(noise, [-margin], error, cluster)
    assert planted.gain.delta.value == near(gain.delta.value, "float64", 900)
    assert planted.gain.adds
    assert planted.p_increment_holm < 0.001
    assert planted.p_null_holm < 0.1
    strata = strata_labels(frame, ["answered", "question_type"])
    null = permutation_null(noise, error, cluster, strata=strata, n_permutations=100)
    assert_close_results(planted.null, null, 900)
    categories = [frame["answered"].to_numpy(dtype=object), frame["question_type"].to_numpy()]
    assert planted.increment.p_wald == pytest.approx(
        logistic_increment(noise, error, cluster, margin=-margin, categories=categories).p_wald
    )
    for name in ("label_free.max_alt", "null.answer_length"):
        assert not found[name].gain.adds
        assert found[name].p_increment_holm > 0.05


def test_confidence_is_turned_round_and_not_compared_with_itself():
    found = {one.column: one for one in ranked().predictors}
    confidence = found["label_free.final_margin"]
    assert confidence.sign == -1
    assert confidence.association.auroc.value > 0.6
    assert confidence.gain is None
    assert confidence.increment is None


def test_missing_and_constant_metrics_say_so():
    found = {one.column: one for one in ranked().predictors}
    flips = found["label_free.flips"]
    assert flips.association.auroc.note == "600 of 900 rows have no value"
    assert flips.gain.delta.n == flips.increment.n == flips.null.n == 300
    constant = found["label_free.dola_jsd"]
    assert constant.association.auroc.note == "the value is the same in all rows"
    assert constant.gain.delta.note == "the value is the same in all rows"
    assert constant.null.note == "the value is constant within strata"
    assert constant.p_increment_holm is None


@pytest.mark.parametrize("kind", ["all right", "all wrong", "no rows", "no verdicts", "two rows", "one cluster"])
def test_hopeless_data_give_reasons_and_no_numbers(kind):
    frame = run_frame()
    if kind in ("all right", "all wrong"):
        frame["right"] = pd.array([kind == "all right"] * 900, dtype="boolean")
    elif kind == "no verdicts":
        frame["right"] = pd.array([None] * 900, dtype="boolean")
    elif kind == "one cluster":
        frame["group"] = "image"
    frame = frame.head({"no rows": 0, "two rows": 2}.get(kind, 900))
    ranking = rank_predictors(frame, METRICS, **QUICK)
    assert len(ranking.predictors) == 6
    assert_no_nan(ranking)
    for one in ranking.predictors:
        assert one.association.auroc.low is None
        assert one.association.auroc.note
        assert one.null.p_value is None
        assert one.null.note
        assert one.gain is None or one.gain.delta.note


def assert_no_nan(result: object) -> None:
    if is_dataclass(result):
        for field in fields(result):
            assert_no_nan(getattr(result, field.name))
    elif isinstance(result, (list, tuple)):
        for one in result:
            assert_no_nan(one)
    elif isinstance(result, float):
        assert not isnan(result)


def test_ordinary_results_hold_no_nan():
    assert_no_nan(ranked())


def test_gold_based_metrics_are_refused():
    with pytest.raises(NotAPredictorError, match=r"gold_based\.first_correct_layer looks at the gold answer"):
        rank_predictors(run_frame(), ["gold_based.first_correct_layer"])
    with pytest.raises(NotAPredictorError, match=r"gold_based\.emerged looks at the gold answer"):
        rank_predictors(run_frame(), [], confidence="gold_based.emerged")
    with pytest.raises(NotAPredictorError, match=r"score\.acc is no predictor of error: expected a column label_free"):
        require_predictors(["label_free.flips", "score.acc"])


def test_absent_columns_are_named():
    with pytest.raises(KeyError, match=r"no column label_free\.energy; found right, group"):
        rank_predictors(run_frame(), ["label_free.energy"])


def test_rows_without_cluster_are_counted():
    frame = run_frame()
    frame["group"] = frame["group"].where(np.arange(900) >= 9)
    assert rank_predictors(frame, ["label_free.max_alt"], **QUICK).n_unlabelled == 9


def test_columns_may_hold_objects_or_numbers():
    for column in (
        [True, None, False],
        [1.0, np.nan, 0.0],
        pd.array([True, None, False], dtype="boolean"),
        [1, np.inf, 0],
    ):
        np.testing.assert_array_equal(numbers(pd.Series(column)), [1.0, np.nan, 0.0])


def test_repeated_questions_are_asked_once():
    frame = pd.DataFrame(
        {
            "cluster": ["a", "a", "a", "b", None, None],
            "question": ["cat?", "cat?", "dog?", "cat?", "cat?", "cat?"],
            "split": list("xyxxxy"),
        }
    )
    found = without_repetitions(frame, ["cluster", "question"])
    assert found["split"].tolist() == list("xxxxy")


def test_strata_are_combinations_that_occur():
    frame = pd.DataFrame({"a": ["x", "x", "y", None], "b": pd.array([1, 2, 1, None], dtype="Int32")})
    assert len(set(strata_labels(frame, ["a", "b"]))) == 4
    assert set(strata_labels(frame, [])) == {0}


def test_an_estimate_is_finite_or_explained():
    with pytest.raises(ValueError, match="value of an estimate is a finite number or None, found nan"):
        Estimate(float("nan"), None, None, 1, 1, note="x")
    with pytest.raises(ValueError, match="needs a note"):
        Estimate(0.5, None, None, 1, 1)
    assert Estimate(0.5, 0.1, 0.9, 1, 1).excludes_zero
    assert not Sizes(1, 1).missing("none").excludes_zero


def test_levels_widen_for_few_clusters():
    assert interval_levels(100_000) == (pytest.approx(0.025, abs=1e-5), pytest.approx(0.975, abs=1e-5))
    assert interval_levels(10)[0] == pytest.approx(norm.cdf(-np.sqrt(10 / 9) * 2.262157), abs=1e-6)


def test_percentile_interval_needs_usable_draws():
    sizes = Sizes(100, 50, 20)
    draws = np.r_[np.linspace(0, 1, 90), np.full(10, np.nan)]
    lost = percentile_estimate(0.5, draws, sizes, "m")
    assert (lost.low, lost.note) == (None, "no interval: 10% of the resampled sets have one class only")
    fine = percentile_estimate(0.5, np.linspace(0, 1, 1001), sizes, "m")
    assert (fine.low, fine.high) == (pytest.approx(0.0212, abs=1e-3), pytest.approx(0.9788, abs=1e-3))
    assert percentile_estimate(float("nan"), draws, sizes, "m").note == "not defined on these data"
