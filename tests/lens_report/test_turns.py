"""By turn of a dialogue: from records to the sentences and the table of a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import QUICK, Plan, records, run_info

from lens_report import build_report
from lens_report.measures import Turns, task_runs, turns
from lens_results import RecordWriter, SampleRecord, load, merge

N_TURNS = 12
Change = Callable[[int, SampleRecord], SampleRecord]


def in_dialogue(i: int, record: SampleRecord) -> SampleRecord:
    place = i % N_TURNS
    name = str(i // N_TURNS)
    return replace(record, dialogue=name, cluster=name, turn=place, answers_shown=min(place, 3))


def written(folder: Path, change: Change = in_dialogue, **plan: object) -> Path:
    made = Plan(n=20 * N_TURNS, **plan)  # type: ignore[arg-type]
    info = run_info(made)
    with RecordWriter(folder, info, part_rows=4096, part_seconds=1e9) as writer:
        for i, record in enumerate(records(made)):
            writer.append(change(i, record))
    merge(folder, info.run_id)
    return folder


def turns_of(folder: Path) -> Turns | None:
    (task_run,) = task_runs(load(folder))
    return turns(task_run)


def test_questions_are_grouped_by_turn(tmp_path: Path) -> None:
    found = turns_of(written(tmp_path))
    assert found is not None and (found.n_dialogues, found.n, found.next_to_last) == (20, 240, 220)
    assert [(one.first, one.last, one.n) for one in found.groups] == [(0, 0, 20), (1, 2, 40), (3, 6, 80), (7, 11, 100)]
    frame = load(tmp_path).samples
    for one in found.groups:
        rows = frame["turn"].between(one.first, one.last)
        assert one.right.value == pytest.approx(frame["correct"][rows].astype(float).mean())
        assert one.depth.value == pytest.approx(frame["label_free.commit_depth"][rows].mean())
        assert one.read.value == 1.0
        assert one.right.n_clusters == 20 and one.right.low is not None
    assert found.shown == 1.0
    assert found.after is not None
    pairs = [(a, b) for a, b in zip(frame["correct"], frame["correct"][1:], strict=False)]
    own = [pair for i, pair in enumerate(pairs) if (i + 1) % N_TURNS]
    assert found.after.n_wrong == sum(not a for a, _ in own) and found.after.n_right == sum(bool(a) for a, _ in own)
    assert found.after.after_wrong == pytest.approx(np.mean([b for a, b in own if not a]))
    assert found.depth_after is not None and found.depth_after.value is not None


def test_without_a_verdict_only_what_needs_no_labels_is_said(tmp_path: Path) -> None:
    found = turns_of(written(tmp_path / "run", gold=False, scored=False))
    assert found is not None and found.after is None and found.depth_after is None
    assert all(one.right.value is None and one.depth.value is not None for one in found.groups)
    report = build_report([tmp_path / "run"], tmp_path / "report", draws=QUICK)
    text = report.markdown.read_text()
    assert "By turn of the dialogue" in text
    assert "What is right is not known, so nothing can be said about answers after a wrong one." in text


def test_what_is_not_recorded_is_not_known(tmp_path: Path) -> None:
    def unknown(i: int, record: SampleRecord) -> SampleRecord:
        return replace(in_dialogue(i, record), answers_shown=None)

    found = turns_of(written(tmp_path / "unknown", unknown))
    assert found is not None and found.shown is None
    assert turns_of(written(tmp_path / "none", lambda i, record: record)) is None
    assert turns_of(written(tmp_path / "single", lambda i, r: replace(in_dialogue(i, r), dialogue=str(i)))) is None


def test_the_report_has_a_table_by_turn_in_both_languages(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    for language, title in (("en", "By turn of the dialogue"), ("ru", "По репликам диалога")):
        report = build_report([folder], tmp_path / language, draws=QUICK, language=language)
        text = report.markdown.read_text()
        assert title in text and "7–11" in text
        assert "(…" not in text
