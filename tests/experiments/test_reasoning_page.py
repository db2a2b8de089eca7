"""report/reasoning_steps.md is what results/steps says."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.plan import read_plan
from experiments.reasoning import HYPOTHESES, PAGE, RUN, WITH, claims, page
from experiments.writeup.material import PAGE as PAPER
from lens_report.stats import paired
from lens_results import Run, load


@pytest.fixture(scope="module")
def run() -> Run:
    return load(RUN)


def test_the_page_is_made_of_the_records(run: Run) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(run)


def test_each_hypothesis_is_asked_once_and_those_listed_before_come_first(run: Run) -> None:
    found = claims(run)
    assert [one.topic for one in found] == [each.says for each in HYPOTHESES]
    before = [each.before for each in HYPOTHESES]
    assert before == sorted(before, reverse=True) and sum(before) == 10
    assert all(each.before != each.says.endswith("*") for each in HYPOTHESES)
    assert all(one.p is not None and one.p_holm is not None and one.p_holm >= one.p for one in found)


def test_the_difference_that_steps_make_is_that_of_the_samples(run: Run) -> None:
    """By pandas alone, from the harness's scores."""
    frame = run.samples[["task", "doc_id", "question_type", "cluster", "score.exact_match_lenient"]]
    both = frame.pivot(index="doc_id", columns="task", values="score.exact_match_lenient")
    first = frame[frame["task"] == WITH].set_index("doc_id")
    long = first.index[first["question_type"].str[0].astype(int) >= 3]
    gap = (both[WITH] - both[f"{WITH}_direct"]).loc[long]
    (claim,) = (one for one in claims(run) if one.topic.startswith("Asking for steps"))
    assert claim.estimate.value == pytest.approx(gap.mean()) and claim.estimate.n == len(long) == 452
    again = paired(np.zeros(len(gap)), gap, first.loc[long, "cluster"])
    assert claim.p == pytest.approx(again.p_value)


def test_the_paper_does_not_read_this_run() -> None:
    assert {one.name for one in read_plan() if one.page != PAPER} == {"steps"}
