"""One rule says which samples take part in questions about errors, in the functions and in the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import QUICK, Plan, run_info, write_run

import lens_results
from lens_report.measures.decoders.readouts import Readouts, readouts
from lens_report.measures.error_rows import error_rows, kept_rows
from lens_report.measures.prediction import prediction
from lens_report.measures.task_run import TaskRun, task_runs
from lens_results import RecordWriter, SampleRecord, merge


@pytest.fixture(scope="module")
def task_run(tmp_path_factory: pytest.TempPathFactory) -> TaskRun:
    plan = Plan(n=240, format_errors=0.1, failed=0.1)
    return task_runs(lens_results.load(write_run(tmp_path_factory.mktemp("rows"), plan)))[0]


def test_the_rows_are_those_that_were_read_answered_with_a_candidate_and_scored(task_run: TaskRun) -> None:
    frame, rows = task_run.run.samples, error_rows(task_run)
    by_hand = frame[(frame["status"] == "ok") & frame["pred_candidate"].notna() & frame["correct"].notna()]
    assert rows.frame["doc_id"].tolist() == by_hand["doc_id"].tolist()
    outside = (frame["status"] == "ok") & frame["pred_candidate"].isna()
    unread = frame["status"] == "capture_failed"
    assert rows.n_repeated == 0
    assert rows.dropped == {"format error": int(outside.sum()), "no valid readout": int(unread.sum())}


def test_decoders_leave_out_the_same_format_errors(task_run: TaskRun) -> None:
    found = readouts(task_run)
    assert isinstance(found, Readouts)
    assert found.dropped["format error"] == error_rows(task_run).dropped["format error"]


def test_no_verdict_on_a_format_error_makes_it_an_error(task_run: TaskRun) -> None:
    """The scorer's 0 for an answer outside the candidates is no wrong answer."""
    outside = task_run.frame[task_run.format_error]
    assert len(outside) > 5
    assert set(error_rows(task_run).frame["doc_id"]).isdisjoint(outside["doc_id"])
    rows = error_rows(task_run)
    read = task_run.frame["status"] == "ok"
    assert int(rows.error.sum()) == int((read & (task_run.frame["verdict"] == 0)).sum())
    assert outside["verdict"].isna().all()


def answered_as(folder: Path, *answers: dict[str, Any]) -> TaskRun:
    """One sample for each answer, beside twenty ordinary ones."""
    info = run_info(Plan(layers=2))
    ordinary = {"status": "ok", "candidates": ("yes", "no"), "pred_candidate": 0, "correct": True}
    with RecordWriter(folder, info) as writer:
        for number, fields in enumerate([ordinary] * 20 + list(answers)):
            known = {key: value for key, value in fields.items() if value is not None}
            if "candidates" in known:
                known |= {"candidate_token_ids": ((1,), (2,)), "candidate_method": "first_token", "gold_candidate": 0}
                known |= {"label_free": {"final_margin": 1.0}} if known.get("pred_candidate") is not None else {}
            writer.append(
                SampleRecord(
                    task="t", doc_id=number, kind="generate", entropy=np.ones(2), cluster=f"i{number}", **known
                )
            )
    merge(folder, info.run_id)
    return task_runs(lens_results.load(folder))[0]


def test_an_answer_outside_the_candidates_is_told_from_one_that_was_not_looked_at(tmp_path: Path) -> None:
    rows = error_rows(
        answered_as(
            tmp_path,
            {"status": "ok", "candidates": ("yes", "no"), "correct": False},
            {"status": "no_answer", "status_reason": "nothing said", "correct": False},
            {"status": "capture_failed", "status_reason": "no hidden state"},
        )
    )
    assert rows.dropped == {"format error": 2, "no valid readout": 1}
    assert len(rows.frame) == 20


def test_each_row_is_counted_under_the_first_reason() -> None:
    first, second = np.array([True, False, False]), np.array([True, True, False])
    keep, dropped = kept_rows({"first": first, "second": second, "third": ~first & ~first & second})
    assert keep.tolist() == [False, False, True]
    assert dropped == {"first": 1, "second": 1}


def open_run(folder: Path, scored: bool) -> TaskRun:
    """An open task: the record calls an answer right when it is the gold text, and says nothing of the others."""
    layers = 4
    info = run_info(Plan(layers=layers))
    with RecordWriter(folder, info) as writer:
        for number in range(40):
            right = number % 4 != 0
            answer = f"thing {number}" if right else "another"
            writer.append(
                SampleRecord(
                    task="open", doc_id=number, kind="generate", question=f"what is {number}?", response=answer,
                    gold=(f"thing {number}",), status="ok", cluster=f"image {number // 2}",
                    candidates=(answer,) if right else (answer, f"thing {number}"),
                    candidate_token_ids=((1,),) if right else ((1,), (2,)), candidate_method="first_token",
                    gold_candidate=0 if right else 1, pred_candidate=0, correct=True if right else None,
                    entropy=np.linspace(3, 1, layers), logprob_pred=np.linspace(-3, -1 - number / 40, layers),
                    label_free={"final_prob": 0.9 - number / 80},
                    scores={"exact_match": float(right)} if scored else {},
                )
            )  # fmt: skip
    merge(folder, info.run_id)
    return task_runs(lens_results.load(folder))[0]


def test_an_open_task_takes_its_errors_from_the_score(tmp_path: Path) -> None:
    rows = error_rows(open_run(tmp_path, scored=True))
    assert (rows.error.size, int(rows.error.sum()), rows.dropped) == (40, 10, {})


def test_without_a_score_an_open_task_has_no_known_errors_and_says_so(tmp_path: Path) -> None:
    task_run = open_run(tmp_path, scored=False)
    assert error_rows(task_run).dropped == {"not scored": 10}
    found = prediction(task_run, QUICK)
    assert found.ranking is None
    assert "no answer is known to be wrong" in found.why_none
