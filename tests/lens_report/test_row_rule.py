"""One rule says which samples take part in questions about errors, in the functions and in the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import QUICK, Plan, run_info, write_run

import lens_results
from lens_report.analysis.prediction import asked, prediction
from lens_report.decoders.readouts import Readouts, readouts
from lens_report.stats import scored_rows
from lens_report.stats.rows import kept_rows
from lens_report.subject import Subject, subjects
from lens_results import RecordWriter, SampleRecord, merge


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    plan = Plan(n=240, format_errors=0.1, failed=0.1)
    return subjects(lens_results.load(write_run(tmp_path_factory.mktemp("rows"), plan)))[0]


def test_report_and_functions_leave_out_the_same_samples(subject: Subject) -> None:
    frame = subject.run.samples
    selected, rows = scored_rows(frame), asked(subject)
    assert rows.n_repeated == 0
    assert rows.dropped == selected.dropped
    assert set(selected.dropped) == {"format error", "no valid readout"}
    assert rows.frame["doc_id"].tolist() == selected.frame["doc_id"].tolist()
    by_hand = frame[(frame["status"] == "ok") & frame["pred_candidate"].notna() & frame["correct"].notna()]
    assert selected.frame["doc_id"].tolist() == by_hand["doc_id"].tolist()


def test_decoders_leave_out_the_same_format_errors(subject: Subject) -> None:
    found = readouts(subject)
    assert isinstance(found, Readouts)
    assert found.dropped["format error"] == asked(subject).dropped["format error"]


def test_no_verdict_on_a_format_error_makes_it_an_error(subject: Subject) -> None:
    """The scorer's 0 for an answer outside the candidates is no wrong answer."""
    outside = subject.frame[subject.format_error]
    assert len(outside) > 5
    assert set(asked(subject).frame["doc_id"]).isdisjoint(outside["doc_id"])
    rows = asked(subject)
    read = subject.frame["status"] == "ok"
    assert int(rows.error.sum()) == int((read & (subject.frame["verdict"] == 0)).sum())
    assert outside["verdict"].isna().all()


def test_an_answer_outside_the_candidates_is_told_from_one_that_was_not_looked_at() -> None:
    frame = pd.DataFrame(
        {
            "status": ["identity_failed", "capture_failed", "ok"],
            "correct": pd.array([None, None, True], dtype="boolean"),
            "pred_candidate": pd.array([None, None, 0], dtype="Int32"),
            "candidates": [("yes", "no"), (), ("yes", "no")],
        }
    )
    assert scored_rows(frame).dropped == {"format error": 1, "no valid readout": 1}
    assert scored_rows(frame.drop(columns="candidates")).dropped == {"no valid readout": 2}


def test_without_candidates_a_silent_answer_is_an_unread_one() -> None:
    frame = pd.DataFrame(
        {"status": ["no_answer", "ok"], "correct": pd.array([None, True], dtype="boolean"), "pred_candidate": [None, 0]}
    )
    assert scored_rows(frame, pred=None).dropped == {"no valid readout": 1}
    assert scored_rows(frame).dropped == {"format error": 1}


def test_each_row_is_counted_under_the_first_reason() -> None:
    first, second = np.array([True, False, False]), np.array([True, True, False])
    keep, dropped = kept_rows({"first": first, "second": second, "third": ~first & ~first & second})
    assert keep.tolist() == [False, False, True]
    assert dropped == {"first": 1, "second": 1}


def open_run(folder: Path, scored: bool) -> Subject:
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
    return subjects(lens_results.load(folder))[0]


def test_an_open_task_takes_its_errors_from_the_score(tmp_path: Path) -> None:
    rows = asked(open_run(tmp_path, scored=True))
    assert (rows.error.size, int(rows.error.sum()), rows.dropped) == (40, 10, {})


def test_without_a_score_an_open_task_has_no_known_errors_and_says_so(tmp_path: Path) -> None:
    subject = open_run(tmp_path, scored=False)
    assert asked(subject).dropped == {"not scored": 10}
    found = prediction(subject, QUICK)
    assert found.ranking is None
    assert "no answer is known to be wrong" in found.why_none
