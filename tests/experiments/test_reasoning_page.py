"""report/reasoning_steps.md is what results/steps says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.plan import read_plan
from experiments.reasoning import HYPOTHESES, PAGE, RUN, WITH, claims, figures, in_short, page
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


def test_three_sentences_say_what_was_found_and_change_with_it(run: Run) -> None:
    found = claims(run)
    told = in_short(found)
    assert len(told) == 3 and sum(line.count(" that ") >= 1 for line in told) == 3
    for place, (hypothesis, claim) in enumerate(zip(HYPOTHESES, found, strict=True)):
        (home,) = (number for number, line in enumerate(told) if hypothesis.clause in line)
        turned = replace(claim, estimate=replace(claim.estimate, value=-1.0), p_holm=0.0)
        for other in (turned, replace(claim, p_holm=None if claim.holds else 0.0)):
            changed = in_short([*found[:place], other, *found[place + 1 :]])
            assert [number for number in range(3) if changed[number] != told[number]] == [home], hypothesis.says
        assert (
            f"the opposite is shown of these: {hypothesis.clause}"
            in in_short([*found[:place], turned, *found[place + 1 :]])[home]
        )


def test_the_figures_of_the_page_are_there(run: Run) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for one in figures(run):
        stem = f"{PAGE.stem}/{one.name}"
        assert f"![{one.caption}]({stem}.png)" in text
        assert all((PAGE.parent / f"{stem}.{kind}").is_file() for kind in ("png", "svg"))
