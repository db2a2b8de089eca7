"""Steps of responses in a report: planted records, figures computed by hand, both languages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from synthetic import QUICK, Plan, records, run_info

from lens_report import build_report
from lens_report.measures import steps, task_runs
from lens_results import RecordWriter, load, merge

STEPS = 3


def write(folder: Path, *, helped: bool, read: bool = True) -> Path:
    """A run whose responses have steps; every fifth has none. With `helped` half of what they get right needs them."""
    plan = Plan(n=200, per_image=1, ability=1.5)
    with RecordWriter(folder, run_info(plan), part_rows=2048, part_seconds=1e9) as writer:
        for number, record in enumerate(records(plan)):
            writer.append(replace(record, **(planted(number, bool(record.correct), helped) if read else {})))
    merge(folder, plan.run_id)
    return folder


def planted(number: int, correct: bool, helped: bool) -> dict[str, Any]:
    if number % 5 == 0:
        return {"probe_status": {"steps": "nothing: no step is written before the answer"}}
    before = correct and not (helped and number % 2)
    commit = 0.0 if before == correct else float(STEPS - 1)
    return {
        "probe_status": {"steps": "ok"},
        "label_free": {
            "written_steps": float(STEPS), "commit_step": commit, "steps_after_commit": STEPS - commit,
            "flips_over_steps": float(before != correct), "answer_without_thinking": float(before == correct),
        },
        "gold_based": {"right_without_thinking": float(before)},
    }  # fmt: skip


def test_the_section_says_what_was_planted(tmp_path: Path) -> None:
    (task_run,) = task_runs(load(write(tmp_path, helped=True)))
    found = steps(task_run)
    assert found is not None
    overall, *by_type = found.groups
    assert (overall.n, [one.group for one in by_type]) == (160, ["adversarial", "popular", "random"])
    assert sum(one.n for one in by_type) == 160
    kept = [record for record in task_run.run.records() if record.probe_status["steps"] == "ok"]
    gap = np.array([float(bool(each.correct)) - each.gold_based["right_without_thinking"] for each in kept])  # type: ignore[operator]
    assert overall.worth.difference.value == pytest.approx(gap.mean())
    assert overall.worth.p_value == pytest.approx(ttest_1samp(gap, 0).pvalue, rel=1e-6)
    assert overall.means["written_steps"].value == STEPS
    assert overall.means["answer_without_thinking"].value == pytest.approx(1 - gap.mean())
    assert overall.means["commit_step"].value == pytest.approx(2 * gap.mean())
    (unread,) = found.unread
    assert (unread.status, unread.n, unread.reason) == ("nothing", 40, "no step is written before the answer")


def test_responses_of_which_some_steps_were_read_are_among_those_that_were(tmp_path: Path) -> None:
    """What needs all steps is missing; nothing is counted as without forced answers."""
    thinned = {"probe_status": {"steps": "thinned: answers are forced after 32 of 70 steps (lens_most_steps)"}}
    plan = Plan(n=40, per_image=1)
    with RecordWriter(tmp_path / "run", run_info(plan)) as writer:
        for number, record in enumerate(records(plan)):
            read: dict[str, Any] = planted(1, bool(record.correct), helped=False)
            if number % 4 == 0:
                free = {**read["label_free"], "written_steps": 70.0, "commit_step": None, "flips_over_steps": None}
                read |= {**thinned, "label_free": {**free, "steps_after_commit": None}}
            writer.append(replace(record, **read))
    merge(tmp_path / "run", plan.run_id)
    (task_run,) = task_runs(load(tmp_path / "run"))
    found = steps(task_run)
    assert found is not None
    assert (found.groups[0].n, found.thinned, found.unread) == (40, 10, ())
    assert found.groups[0].means["commit_step"].n == 30 and found.groups[0].means["written_steps"].n == 40
    for language, said in (("en", "In 10 of these responses"), ("ru", "ответ вынуждался в стольких: 10")):
        build_report(tmp_path / "run", tmp_path / language, draws=QUICK, language=language)
        text = " ".join((tmp_path / language / "report.md").read_text(encoding="utf-8").split())
        assert said in text and "thinned" not in text


def test_without_the_probe_there_is_no_section(tmp_path: Path) -> None:
    (task_run,) = task_runs(load(write(tmp_path, helped=True, read=False)))
    assert steps(task_run) is None


@pytest.mark.parametrize(("helped", "said"), [(True, "more is right with them"), (False, "cannot be tested")])
def test_the_report_says_whether_the_steps_helped(tmp_path: Path, helped: bool, said: str) -> None:
    build_report(write(tmp_path / "run", helped=helped), tmp_path / "out", draws=QUICK)
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    section = text.split("What the written steps did")[1].split("\n##")[0]
    assert said in " ".join(section.split()) and "no step is written before the answer" in section


def test_the_report_speaks_russian(tmp_path: Path) -> None:
    build_report(write(tmp_path / "run", helped=True), tmp_path / "out", draws=QUICK, language="ru")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    section = text.split("Что дали записанные шаги")[1].split("\n##")[0]
    assert "с шагами верных больше" in " ".join(section.split()) and "перед ответом нет ни одного шага" in section
