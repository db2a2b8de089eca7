"""Properties of the scalar metrics on random layers, and agreement with an independent implementation."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_reference import gold_based, label_free, random_layers

from lens_models.metrics import LayerReadout, Thresholds, gold_based_scalars, label_free_scalars

LIMITS = st.builds(
    Thresholds,
    theta=st.floats(0, 0.5),
    m=st.integers(1, 4),
    delta=st.floats(0, 2),
    tau=st.floats(0, 0.3),
)
LAYERS = st.builds(
    lambda seed, n, ties, subset: random_layers(np.random.default_rng(seed), n_candidates=n, ties=ties, subset=subset),
    st.integers(0, 10**6),
    st.integers(2, 5),
    st.booleans(),
    st.booleans(),
)
QUICK = settings(max_examples=150)


def assert_same(found: dict[str, float | None], expected: dict[str, float | None]) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == (None if value is None else pytest.approx(value)), name


@QUICK
@given(LAYERS, LIMITS)
def test_label_free_equals_the_reference(layers: LayerReadout, limits: Thresholds):
    assert_same(label_free_scalars(layers, limits), label_free(layers, limits))


@QUICK
@given(LAYERS, LIMITS, st.sampled_from([True, False, None]))
def test_gold_based_equals_the_reference(layers: LayerReadout, limits: Thresholds, correct: bool | None):
    found = gold_based_scalars(layers, 0, correct, limits)
    assert_same(found, gold_based(layers, 0, correct, limits))


@QUICK
@given(LAYERS, LIMITS)
def test_bounds(layers: LayerReadout, limits: Thresholds):
    values = label_free_scalars(layers, limits) | gold_based_scalars(layers, 0, True, limits)
    last = layers.n_layers
    bounds = {
        "commit_depth": 1, "settle_depth": 1, "auc_pred": 1, "late_drop": 1, "max_alt": 1, "final_prob": 1,
        "emerged": 1, "stable_emerged": 1, "never_correct": 1, "correct_then_lost": 1, "wrong_then_corrected": 1,
        "peak_layer": last, "dola_layer": last / 2, "first_correct_layer": last, "stable_correct_layer": last,
        "flips": layers.layer_index.size - 1, "dola_jsd": log(2), "overthinking": 8.0,
    }  # fmt: skip
    for name, upper in bounds.items():
        value = values[name]
        assert value is None or 0 <= value <= upper, name
    if values["final_margin"] is not None and values["final_prob"] is not None:
        assert (values["final_margin"] > 0) >= (values["final_prob"] > 0.5), "a majority is a lead"


@QUICK
@given(LAYERS, LIMITS, st.integers(0, 10**6))
def test_a_constant_added_to_a_layer_changes_nothing(layers: LayerReadout, limits: Thresholds, seed: int):
    shift = np.random.default_rng(seed).integers(-8, 9, (layers.layer_index.size, 1))
    moved = replace(layers, cand_scores=layers.cand_scores + shift)
    assert_same(label_free_scalars(moved, limits), label_free_scalars(layers, limits))
    assert_same(gold_based_scalars(moved, 0, False, limits), gold_based_scalars(layers, 0, False, limits))


@QUICK
@given(LAYERS, LIMITS, st.integers(0, 10**6))
def test_the_order_of_candidates_does_not_matter(layers: LayerReadout, limits: Thresholds, seed: int):
    order = np.random.default_rng(seed).permutation(layers.n_candidates)
    place = {int(old): new for new, old in enumerate(order)}
    pred = None if layers.pred_index is None else place[layers.pred_index]
    moved = replace(layers, cand_scores=layers.cand_scores[:, order], pred_index=pred)
    assert_same(label_free_scalars(moved, limits), label_free_scalars(layers, limits))
    assert_same(gold_based_scalars(moved, place[0], False, limits), gold_based_scalars(layers, 0, False, limits))


@QUICK
@given(LAYERS, LIMITS)
def test_relations_between_metrics(layers: LayerReadout, limits: Thresholds):
    values = gold_based_scalars(layers, 0, False, limits)
    assert (values["first_correct_layer"] is not None) == (values["emerged"] == 1)
    assert (values["stable_correct_layer"] is not None) == (values["stable_emerged"] == 1)
    assert not (values["emerged"] == 1 and values["never_correct"] == 1)
    assert not (values["correct_then_lost"] == 1 and values["emerged"] == 0), "what was lost had emerged"
    answered = replace(layers, pred_index=0)
    depth = label_free_scalars(answered, limits)["commit_depth"]
    stable = values["stable_correct_layer"]
    assert depth == (None if stable is None else stable / layers.n_layers), "for a right answer they are one"


def test_without_theta_and_m_noise_is_first_correct_by_layer_three():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2000):
        layers = random_layers(rng, n_candidates=2, ties=False, subset=False)
        layers = replace(
            layers,
            layer_index=np.arange(1, 13), n_layers=12, cand_scores=rng.normal(size=(12, 2)),
            **{name: np.zeros(12) for name in ("logprob_pred", "entropy", "jsd_last", "top1_ids")},
            cand_mass=np.full(12, 1e-3),
        )  # fmt: skip
        loose = gold_based_scalars(layers, 0, None, Thresholds(theta=0.0, m=1))["first_correct_layer"]
        found.append(loose is not None and loose <= 3)
        assert gold_based_scalars(layers, 0, None)["emerged"] == 0, "theta keeps the noise out"
    assert np.mean(found) == pytest.approx(0.875, abs=0.025)
