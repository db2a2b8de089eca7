"""The quantities behind the hypotheses, on records made by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from experiments.writeup.claims import Claim, corrected
from experiments.writeup.concepts import concepts, depth_by_concept
from experiments.writeup.measures import from_the_middle, lost_minus_corrected
from experiments.writeup.movement import turns
from lens_report.stats import AboveChance, Clusters, Estimate, Leaders, above_chance


def _analysis(verdict: list[float], lost: list[float], corrected: list[float], groups: list[str]) -> Any:
    frame = pd.DataFrame(
        {"verdict": verdict, "gold_based.correct_then_lost": lost, "gold_based.wrong_then_corrected": corrected}
    )
    return SimpleNamespace(task_run=SimpleNamespace(frame=frame, clusters=Clusters.of(groups)))


def test_lost_minus_corrected_is_the_difference_of_the_two_shares():
    nan = float("nan")
    verdict = [0.0] * 20 + [1.0] * 30 + [nan]
    lost, corrected = [1.0] * 5 + [0.0] * 15 + [nan] * 31, [nan] * 20 + [1.0] * 3 + [0.0] * 27 + [nan]
    groups = np.array([i % 17 for i in range(51)])
    estimate, p = lost_minus_corrected(_analysis(verdict, lost, corrected, [f"image{i}" for i in groups]))
    assert estimate.value == pytest.approx(5 / 20 - 3 / 30)
    assert (estimate.n, estimate.n_clusters, estimate.n_errors) == (50, 17, 20)
    # the sandwich by hand, with the usual correction for few clusters
    design = np.c_[np.ones(50), [1.0] * 20 + [0.0] * 30]
    event = np.r_[lost[:20], corrected[20:50]]
    bread = np.linalg.inv(design.T @ design)
    residual = event - design @ (bread @ design.T @ event)
    sums = np.array([(design * residual[:, None])[groups[:50] == one].sum(0) for one in range(17)])
    variance = bread @ (sums.T @ sums) @ bread * (17 / 16) * (49 / 48)
    error = np.sqrt(variance[1, 1])
    assert (estimate.high - estimate.low) / 2 == pytest.approx(student.ppf(0.975, 16) * error)
    assert p == pytest.approx(2 * student.sf(abs(estimate.value) / error, 16))


def test_there_is_no_difference_without_answers_of_both_kinds():
    verdict, nothing = [1.0] * 30, [float("nan")] * 30
    assert lost_minus_corrected(_analysis(verdict, nothing, [0.0] * 30, [str(i) for i in range(30)])) is None


def _depth(place: int, n_layers: int = 10) -> AboveChance:
    """Sixty samples of two answers in which gold leads from the layer at `place` on, and a fixed answer before."""
    gold = np.arange(60) % 2
    leader = np.where(np.arange(n_layers)[None, :] >= place, gold[:, None], 0)
    kinds = {"kind": Leaders(leader, gold, Clusters.of([str(i // 2) for i in range(60)]))}
    return above_chance(kinds, np.arange(1, n_layers + 1), n_draws=200)["kind"]


def test_depth_is_counted_from_the_middle_of_the_network():
    early, p_early = from_the_middle(_depth(1), 10)
    late, p_late = from_the_middle(_depth(8), 10)
    # half of the final accuracy above chance lies half-way between the layer before and the first right one
    assert early.value == pytest.approx(1.5 - 5)
    assert late.value == pytest.approx(8.5 - 5)
    assert p_early == p_late == pytest.approx(2 / 201)


def test_hypotheses_that_were_not_tested_stay_in_the_list():
    estimate = Estimate(0.1, 0.0, 0.2, 100, 20)
    claims = [
        Claim("image", "t", "a", "nats", estimate, 0.01, "c"),
        Claim("image", "t", "b", "nats", estimate, None, "c"),
        Claim("image", "t", "c", "nats", estimate, 0.03, "c", {"seed": (estimate, 0.2)}),
    ]
    first, second, third = corrected(claims)
    assert (first.p_holm, second.p_holm, third.p_holm) == (pytest.approx(0.02), None, pytest.approx(0.03))
    assert (first.holds, second.holds, third.holds) == (True, False, True)
    assert not any(one.repeats for one in (first, second, third))


def test_a_hypothesis_repeats_when_every_seed_agrees():
    estimate, other = Estimate(0.1, 0.0, 0.2, 100, 20), Estimate(-0.1, -0.2, 0.0, 100, 20)
    again = Claim("image", "t", "a", "nats", estimate, 0.01, "c", {"s": (estimate, 0.01), "t": (estimate, 0.04)})
    against = Claim("image", "t", "a", "nats", estimate, 0.01, "c", {"s": (estimate, 0.01), "t": (other, 0.01)})
    assert [one.repeats for one in corrected([again, against])] == [True, False]


@pytest.fixture
def task_run() -> Any:
    """Counting and existence questions with and without a relation, in one language each."""
    questions = ["How many cubes are left of the sphere?", "How many cubes are there?"] * 40
    questions += ["Is there a cube?"] * 40
    n = len(questions)
    frame = pd.DataFrame(
        {
            "question": questions,
            "question_type": ["count"] * 80 + ["exist"] * 40,
            "gold": [("yes",)] * n,
            "group": [str(i % 30) for i in range(n)],
            "gold_candidate": [i % 2 for i in range(n)],
        }
    )
    scores = np.zeros((n, 3, 2))
    scores[np.arange(n), 1:, :] = np.eye(2)[frame["gold_candidate"]][:, None, :]
    return SimpleNamespace(
        task="clevr_mini",
        frame=frame,
        layers=np.array([1, 2, 3]),
        read_out=np.ones(n, dtype=bool),
        wide=lambda name, control=None: scores,
    )


def test_questions_are_split_by_a_spatial_relation_where_both_parts_are_large_enough(task_run: Any):
    assert concepts(task_run).value_counts().to_dict() == {"count": 80, "existence": 40}
    found = depth_by_concept(task_run, n_draws=20)
    assert list(found) == ["existence", "count", "count without a relation", "count through a relation"]
    assert [int(found[name].curve.n[-1]) for name in found] == [40, 80, 40, 40]


def test_a_movement_is_dated_by_the_block_in_which_the_lead_turned_last():
    gold, other = [2.0, 1.0], [1.0, 2.0]
    paths = np.array([[gold, other, gold, other], [other, gold, other, gold], [other, other, gold, gold]])
    frame = pd.DataFrame(
        {
            "verdict": [0.0, 1.0, 1.0],
            "gold_candidate": [0, 0, 0],
            "gold_based.correct_then_lost": [1.0, np.nan, np.nan],
            "gold_based.wrong_then_corrected": [np.nan, 1.0, 0.0],
        }
    )
    one: Any = SimpleNamespace(
        task_run=SimpleNamespace(
            frame=frame,
            layers=np.array([1, 2, 3, 4]),
            closed_rows=np.ones(3, dtype=bool),
            among_candidates=True,
            compared=np.ones(3, dtype=bool),
            wide=lambda name, control=None: paths,
            stack=lambda name, control=None: np.full((3, 4), np.nan),
        )
    )
    assert turns(one, "lost").tolist() == [4]
    assert turns(one, "corrected").tolist() == [4]
