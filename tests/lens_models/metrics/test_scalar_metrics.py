"""Each scalar metric on layers made by hand, where the right value can be read off."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest

from lens_models.metrics import (
    METRICS,
    LayerReadout,
    Thresholds,
    final_log_odds,
    gold_based_scalars,
    label_free_scalars,
    names,
    visual_gain,
)


def make(scores, mass=None, n_layers=None, index=None, **changes) -> LayerReadout:
    scores = np.asarray(scores, dtype=np.float64)
    size = scores.shape[0]
    layers = LayerReadout(
        layer_index=np.arange(1, size + 1) if index is None else np.asarray(index),
        n_layers=n_layers or size,
        cand_scores=scores,
        cand_mass=np.full(size, 0.9) if mass is None else np.asarray(mass),
        logprob_pred=np.full(size, -1.0),
        entropy=np.full(size, 2.0),
        jsd_last=np.zeros(size),
        top1_ids=np.zeros(size, dtype=np.int64),
        pred_index=0,
    )
    return replace(layers, **changes)


def yes_no(*margins: float, **changes) -> LayerReadout:
    """Candidate 0 ahead of candidate 1 by these margins, one for each layer."""
    return make([[margin, 0.0] for margin in margins], **changes)


def free(layers: LayerReadout, **limits) -> dict[str, float | None]:
    return label_free_scalars(layers, Thresholds(**limits))


def gold(layers: LayerReadout, index=0, correct=True, **limits) -> dict[str, float | None]:
    return gold_based_scalars(layers, index, correct, Thresholds(**limits))


def test_commit_depth_is_the_start_of_the_last_unbroken_lead():
    assert free(yes_no(1, -1, 1, 2))["commit_depth"] == 3 / 4
    assert free(yes_no(1, 1, 1, 1))["commit_depth"] == 1 / 4
    assert free(yes_no(1, 0, 1, 1))["commit_depth"] == 3 / 4, "a tie is no lead"
    assert free(yes_no(1, 1, 1, index=[0, 1, 2], n_layers=2))["commit_depth"] == 0.0
    assert free(yes_no(1, 1, 1, -1))["commit_depth"] is None, "sampled against its own layers"


def test_settle_depth_needs_every_later_layer_within_tau():
    layers = yes_no(1, 1, 1, 1, jsd_last=np.array([0.05, 0.3, 0.1, 0.0]))
    assert free(layers)["settle_depth"] == 3 / 4
    assert free(layers, tau=0.3)["settle_depth"] == 1 / 4
    assert free(layers, tau=0.0)["settle_depth"] == 1.0


def test_flips_count_only_layers_with_mass_and_pass_over_ties():
    assert free(yes_no(1, -1, 1, 1))["flips"] == 2
    assert free(yes_no(1, -1, 1, 1, mass=[0.9, 0.1, 0.9, 0.9]))["flips"] == 0, "mass must exceed theta"
    assert free(yes_no(1, 0, 1, -1))["flips"] == 1
    assert free(yes_no(1, -1, mass=[0.0, 0.0]))["flips"] is None, "no layer is about the candidates: nothing counted"


def test_overthinking_is_entropy_times_share_of_distinct_tokens():
    layers = yes_no(1, 1, 1, 1, entropy=np.array([4.0, 3.0, 1.0, 0.0]), top1_ids=np.array([5, 6, 5, 7]))
    assert free(layers)["overthinking"] == pytest.approx(2.0 * 3 / 4)


def test_upper_half_means_layers_above_half_the_depth():
    layers = yes_no(9, 9, 0, log(3), pred_index=0)
    assert free(layers)["auc_pred"] == pytest.approx((0.5 + 0.75) / 2)
    assert free(layers)["max_alt"] == pytest.approx(0.5)
    odd = yes_no(9, 9, 0, log(3), log(3), n_layers=5)
    assert free(odd)["auc_pred"] == pytest.approx((0.5 + 0.75 + 0.75) / 3), "of five layers 3, 4 and 5"


def test_peak_and_late_drop():
    layers = yes_no(1, 1, 1, 1, logprob_pred=np.log([0.1, 0.7, 0.7, 0.4]))
    assert free(layers)["peak_layer"] == 2, "the earliest in a tie"
    assert free(layers)["late_drop"] == pytest.approx(0.3)
    assert free(yes_no(1, 1, logprob_pred=np.array([-np.inf, 0.0])))["late_drop"] == 0.0


def test_dola_looks_at_blocks_of_the_lower_half():
    layers = yes_no(1, 1, 1, 1, jsd_last=np.array([0.2, 0.4, 0.6, 0.0]))
    assert (free(layers)["dola_layer"], free(layers)["dola_jsd"]) == (2, 0.4)
    embedded = yes_no(1, 1, 1, index=[0, 1, 2], n_layers=2, jsd_last=np.array([0.69, 0.2, 0.0]))
    assert free(embedded)["dola_layer"] == 1, "the embedding output is no block"
    assert free(yes_no(1))["dola_layer"] is None


def test_final_confidence():
    layers = make([[0, 0, 0], [2, 0, 1]])
    total = exp(2) + 1 + exp(1)
    assert free(layers)["final_prob"] == pytest.approx(exp(2) / total)
    assert free(layers)["final_margin"] == pytest.approx(1.0)
    assert free(replace(layers, pred_index=1))["final_margin"] == pytest.approx(-2.0)
    assert final_log_odds(layers) == pytest.approx(log(exp(2) / (1 + exp(1))))


def test_visual_gain_is_a_difference_of_log_odds():
    assert visual_gain(final_log_odds(yes_no(0, 3)), final_log_odds(yes_no(0, 1))) == pytest.approx(2.0)
    assert visual_gain(None, 1.0) is None
    assert visual_gain(1.0, float("inf")) is None


def test_first_correct_layer_needs_mass_and_m_layers():
    layers = yes_no(1, -1, 1, 1, -1)
    assert gold(layers)["first_correct_layer"] == 3
    assert gold(layers, m=1)["first_correct_layer"] == 1
    assert gold(layers, m=3)["first_correct_layer"] is None
    assert gold(layers, m=3)["emerged"] == 0
    light = replace(layers, cand_mass=np.array([0.9, 0.9, 0.1, 0.9, 0.9]))
    assert gold(light)["first_correct_layer"] is None, "mass must exceed theta in each layer of the run"


def test_a_lead_in_the_last_layer_alone_counts_as_emerged():
    layers = yes_no(-1, -1, -1, 1)
    assert gold(layers, m=3)["first_correct_layer"] == 4
    assert gold(layers, m=3)["stable_correct_layer"] == 4
    cut = yes_no(-1, -1, -1, 1, n_layers=8)
    assert gold(cut)["first_correct_layer"] is None, "not the last layer of the model"


def test_stable_correct_layer_is_missing_when_gold_does_not_lead_at_the_end():
    assert gold(yes_no(1, -1, 1, 1))["stable_correct_layer"] == 3
    lost = gold(yes_no(1, 1, 1, -1))
    assert (lost["stable_correct_layer"], lost["stable_emerged"]) == (None, 0)
    right = yes_no(-1, 1, 1, 1)
    assert gold(right)["stable_correct_layer"] == 4 * free(right)["commit_depth"]


def test_correct_then_lost_and_its_mirror():
    lost = yes_no(0, 2, 2, -1)
    assert gold(lost, correct=False)["correct_then_lost"] == 1
    assert gold(lost, correct=True)["correct_then_lost"] == 0
    assert gold(lost, correct=False, delta=2.0)["correct_then_lost"] == 0, "the margin must exceed delta"
    assert gold(lost, correct=False, m=3)["correct_then_lost"] == 0
    mended = yes_no(0, -2, -2, 1)
    assert gold(mended, correct=True)["wrong_then_corrected"] == 1
    assert gold(mended, correct=False)["wrong_then_corrected"] == 0


def test_what_leads_at_the_end_was_not_lost():
    wrongly_scored = yes_no(-1, 2, 2, 2)
    assert gold(wrongly_scored, correct=False)["correct_then_lost"] == 0


def test_two_wrong_candidates_do_not_make_one_run():
    layers = make([[0, 5, 0], [0, 0, 5], [9, 0, 0]])
    assert gold(layers)["wrong_then_corrected"] == 0
    assert gold(layers, m=1)["wrong_then_corrected"] == 1


def test_never_correct_means_no_layer_with_mass():
    assert gold(yes_no(-1, 1, -1), correct=False)["never_correct"] == 0
    assert gold(yes_no(-1, 1, -1, mass=[0.9, 0.0, 0.9]), correct=False)["never_correct"] == 1
    assert gold(yes_no(-1, 0, -1), correct=False)["never_correct"] == 1


def test_open_tasks_never_show_the_gold_answer_to_label_free_metrics():
    wrong = yes_no(
        1,
        -1,
        1,
        1,
        candidates_fixed=False,
        pred_token=7,
        top1_ids=np.array([3, 7, 7, 7]),
        logprob_pred=np.log([0.1, 0.2, 0.4, 0.6]),
    )
    right = replace(wrong, cand_scores=wrong.cand_scores[:, :1])
    assert free(wrong) == free(right)
    assert free(wrong)["vocab_commit_depth"] == 2 / 4
    assert free(wrong)["vocab_flips"] == 1
    assert free(wrong)["vocab_auc_pred"] == pytest.approx(0.5)
    assert free(wrong)["vocab_final_prob"] == pytest.approx(0.6)
    of_candidates = ("commit_depth", "flips", "auc_pred", "max_alt", "final_prob", "final_margin")
    assert {name: free(wrong)[name] for name in of_candidates} == dict.fromkeys(of_candidates)
    assert final_log_odds(wrong) is None
    assert free(replace(wrong, pred_token=None))["vocab_commit_depth"] is None


def test_probabilities_over_candidates_and_over_the_vocabulary_never_share_a_name():
    closed = yes_no(1, -1, 1, 1, pred_token=7, top1_ids=np.array([3, 7, 7, 7]))
    without = replace(closed, cand_scores=np.zeros((4, 0)), pred_index=None)
    have = [{name for name, value in free(layers).items() if value is not None} for layers in (closed, without)]
    both = have[0] & have[1]
    assert not any(name.startswith("vocab_") for name in have[0])
    assert both == {"settle_depth", "overthinking", "peak_layer", "late_drop", "dola_layer", "dola_jsd"}
    assert have[1] - both == {f"vocab_{name}" for name in ("commit_depth", "flips", "auc_pred", "final_prob")}


def test_the_mass_of_whole_sequences_is_never_held_against_theta():
    """A right choice of twelve tokens has a probability far below theta in every layer."""
    scores = [[-31.0, -25.0], [-24.0, -28.0], [-20.0, -27.0], [-18.0, -26.0]]
    layers = make(scores, mass=np.exp(np.logaddexp.reduce(scores, axis=1)), sequences=True)
    values = gold(layers)
    assert (values["first_correct_layer"], values["emerged"], values["never_correct"]) == (2, 1, 0)
    assert gold(replace(layers, pred_index=1), index=1, correct=True)["wrong_then_corrected"] == 0
    assert gold(make([[0, 9], [0, 9], [9, 0]], mass=[0, 0, 0], sequences=True))["wrong_then_corrected"] == 1
    assert free(layers)["flips"] == 1
    assert gold(replace(layers, sequences=False))["emerged"] == 0, "what theta says of first tokens stays"


def test_without_candidates_the_vocabulary_takes_their_place():
    layers = make(
        np.zeros((3, 2)), cand_scores=np.zeros((3, 0)), pred_index=None, pred_token=4, top1_ids=np.array([1, 4, 4])
    )
    assert free(layers)["vocab_commit_depth"] == 2 / 3
    assert set(gold(layers, index=None).values()) == {None}


def test_a_single_gold_candidate_leads_where_it_has_mass():
    layers = make([[0.0], [5.0], [9.0], [9.0]], mass=[0.5, 0.0, 0.6, 0.9], candidates_fixed=False)
    values = gold(layers)
    assert (values["first_correct_layer"], values["stable_correct_layer"]) == (3, 3)
    assert (values["correct_then_lost"], values["wrong_then_corrected"]) == (None, None), "there is no other candidate"
    two = replace(layers, cand_scores=np.array([[0.0, 3.0], [5.0, 0.0], [9.0, 0.0], [9.0, 0.0]]))
    open_task = gold(two, correct=False)
    assert (open_task["correct_then_lost"], open_task["wrong_then_corrected"]) == (None, None), "an open task"
    fixed = replace(layers, candidates_fixed=True)
    assert [free(fixed)[name] for name in ("commit_depth", "flips", "final_prob")] == [None, None, None]


def test_an_answer_outside_the_candidates_has_no_confidence():
    values = free(yes_no(1, 1, 1, 1, pred_index=None))
    assert [values[name] for name in ("commit_depth", "auc_pred", "final_prob", "final_margin")] == [None] * 4
    assert values["flips"] == 0


def test_without_the_last_layer_nothing_is_said_about_the_end():
    layers = yes_no(1, 1, 1, n_layers=4)
    values = free(layers) | gold(layers)
    for name in ("commit_depth", "settle_depth", "late_drop", "final_prob", "final_margin", "stable_correct_layer"):
        assert values[name] is None
    assert values["stable_emerged"] is None
    assert values["first_correct_layer"] == 1


def test_subset_of_layers_keeps_layer_numbers():
    layers = yes_no(-1, 1, 1, index=[4, 8, 12], n_layers=12)
    assert gold(layers)["first_correct_layer"] == 8
    assert free(layers)["commit_depth"] == 8 / 12


def test_unread_values_make_metrics_missing_never_nan():
    nan = np.array([1.0, np.nan])
    layers = yes_no(
        1,
        1,
        cand_scores=np.array([[np.nan, 0.0], [1.0, 0.0]]),
        cand_mass=nan,
        logprob_pred=nan,
        entropy=nan,
        jsd_last=nan[::-1],
    )
    assert set(free(layers).values()) == {None}
    assert set(gold(layers).values()) == {None}


def test_scores_of_minus_infinity_are_allowed():
    layers = make([[0.0, -np.inf], [1.0, -np.inf]])
    assert free(layers)["final_prob"] == 1.0
    assert free(layers)["final_margin"] is None, "an infinite margin is not a number to average"


def test_gold_is_missing_or_out_of_range():
    assert set(gold(yes_no(1, 1), index=None).values()) == {None}
    assert gold(yes_no(1, 1), correct=None)["correct_then_lost"] is None
    with pytest.raises(ValueError, match="gold_index is None or below 2 candidates, found 2"):
        gold(yes_no(1, 1), index=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer_index": np.array([2, 1])}, r"layer_index rises within 0\.\.2, found \[2, 1\]"),
        ({"layer_index": np.array([1, 3])}, r"rises within 0\.\.2"),
        ({"layer_index": np.array([], dtype=int)}, "non-empty"),
        ({"cand_scores": np.zeros((3, 2))}, r"cand_scores is \[2 layers, candidates\], found shape \(3, 2\)"),
        ({"entropy": np.zeros(3)}, r"entropy is \[2 layers\], found shape \(3,\)"),
        ({"pred_index": 2}, "pred_index is None or below 2 candidates, found 2"),
    ],
)
def test_layers_that_do_not_fit_together_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(yes_no(1, 1), **changes)


@pytest.mark.parametrize("limits", [{"theta": 1.0}, {"theta": -0.1}, {"m": 0}, {"delta": -1.0}, {"tau": 0.7}])
def test_thresholds_out_of_range_are_refused(limits):
    with pytest.raises(ValueError, match=next(iter(limits))):
        Thresholds(**limits)


def test_registry_names_every_metric_once():
    layers = yes_no(1, 1)
    assert list(free(layers)) == list(names("label_free", "layers"))
    assert list(gold(layers)) == list(names("gold_based", "layers"))
    assert set(METRICS) == set(names("label_free")) | set(names("gold_based"))
    assert all(metric.definition.endswith(".") for metric in METRICS.values())
