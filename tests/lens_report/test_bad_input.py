"""Input that is missing, damaged or too small: a message, or a report that says so; never a traceback or a number."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from synthetic import QUICK, Plan, records, run_info, write_run

from lens_report import Report, ReportError, build_leaderboard, build_report
from lens_results import RecordWriter
from lens_results.codec import to_table
from lens_results.storage import file_metadata, write_tables


def built(folder: Path, out: Path) -> tuple[Report, str]:
    report = build_report(folder, out, draws=QUICK)
    json.loads(report.stats.read_text(encoding="utf-8"))
    assert report.html.stat().st_size > 1000
    text = report.markdown.read_text(encoding="utf-8")
    assert "nan" not in text.lower().replace("nano", "")
    return report, text.replace("\\", "")


@pytest.mark.parametrize("make", [build_report, build_leaderboard])
def test_nothing_there(make: Any, tmp_path: Path) -> None:
    arguments = (tmp_path / "missing",) if make is build_leaderboard else (tmp_path / "missing", tmp_path / "out")
    with pytest.raises(ReportError, match=r"No run could be read:\n.*missing: found nothing there"):
        make(*arguments)
    with pytest.raises(ReportError, match=r"no lens_\*\.parquet"):
        build_leaderboard(tmp_path)
    with pytest.raises(ReportError, match="no path was given"):
        build_leaderboard([])


def test_a_truncated_file_is_named_and_the_rest_reported(tmp_path: Path) -> None:
    write_run(tmp_path / "good", n=60)
    bad = next(write_run(tmp_path / "bad", n=60, run_id="bad").glob("*.parquet"))
    bad.write_bytes(bad.read_bytes()[:5000])
    report, text = built(tmp_path, tmp_path / "out")
    assert [problem.what for problem in report.problems] == [str(bad)]
    assert "Not in this report" in text
    assert "cut short or damaged" in text
    board = build_leaderboard(tmp_path, draws=QUICK)
    assert len(board.problems) == 1
    assert "cut short or damaged" in board.to_markdown()


def test_only_damaged_files(tmp_path: Path) -> None:
    bad = next(write_run(tmp_path, n=30).glob("*.parquet"))
    bad.write_bytes(bad.read_bytes()[:900])
    with pytest.raises(ReportError, match="cut short or damaged"):
        build_report(tmp_path, tmp_path / "out")


def test_a_file_damaged_inside_is_left_out(tmp_path: Path) -> None:
    write_run(tmp_path / "good", n=60)
    bad = next(write_run(tmp_path / "bad", n=60, run_id="bad").glob("*.parquet"))
    data = bytearray(bad.read_bytes())
    column = pq.read_metadata(bad).row_group(0)
    chunk = next(
        column.column(i) for i in range(column.num_columns) if column.column(i).path_in_schema.startswith("entropy")
    )
    start = chunk.data_page_offset + 60
    data[start : start + 40] = bytes(40)
    bad.write_bytes(bytes(data))
    report, text = built(tmp_path, tmp_path / "out")
    assert len(report.problems) == 1
    assert "Not in this report" in text


def test_a_later_format_is_refused_with_advice(tmp_path: Path) -> None:
    write_run(tmp_path / "good", n=60)
    plan = Plan(n=12, run_id="future")
    metadata = file_metadata(run_info(plan), plan.task) | {b"mmlens.format": b"9.0"}
    write_tables(tmp_path / "new" / "lens_pope_mini_future.parquet", [to_table(records(plan))], metadata)
    _, text = built(tmp_path, tmp_path / "out")
    assert "record format 9.0" in text
    assert "Upgrade mm-logit-lens" in text


def test_an_empty_run_is_named(tmp_path: Path) -> None:
    write_run(tmp_path / "good", n=60)
    plan = Plan(run_id="empty")
    write_tables(tmp_path / "lens_pope_mini_empty.parquet", [to_table([])], file_metadata(run_info(plan), plan.task))
    _, text = built(tmp_path, tmp_path / "out")
    assert "found no samples" in text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"all_right": True}, "no answer is wrong, so there are no errors to predict"),
        ({"ability": -20.0}, "every answer is wrong"),
        ({"gold": False, "scored": False}, "no sample has a readout, a verdict and an answer"),
        ({"format_errors": 1.0}, "no sample has a readout, a verdict and an answer"),
        ({"failed": 1.0}, "no sample has a readout, a verdict and an answer"),
    ],
)
def test_one_class_only(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    report, text = built(write_run(tmp_path, n=48, **changes), tmp_path / "out")
    assert f"Nothing can be said about errors here: {sentence}" in text
    stats = json.loads(report.stats.read_text(encoding="utf-8"))
    assert stats["results"][0]["prediction"]["ranking"] is None
    row = build_leaderboard(tmp_path, draws=QUICK).entries[0]
    assert (row.confidence, row.gain, row.gain_shown) == (None, None, False)


def test_a_tiny_set_is_said_to_be_too_small(tmp_path: Path) -> None:
    _, text = built(write_run(tmp_path, n=12, per_image=3), tmp_path / "out")
    assert "too small" in text
    text = text[: text.index("## How to read")]
    assert "associated with errors:" not in text
    assert "On top of final confidence" not in text


def test_one_sample(tmp_path: Path) -> None:
    built(write_run(tmp_path, n=1), tmp_path / "out")


def test_no_clusters_no_types_no_controls(tmp_path: Path) -> None:
    _, text = built(write_run(tmp_path, n=60, clusters=False, types=()), tmp_path / "out")
    assert "No control was run" in text


def test_many_candidates_without_scores(tmp_path: Path) -> None:
    folder = write_run(tmp_path, n=90, candidates=("red", "green", "blue", "cyan"), scored=False)
    _, text = built(folder, tmp_path / "out")
    assert "The score (lens verdict)" in text


def test_a_killed_run_is_reported_as_incomplete(tmp_path: Path) -> None:
    plan = Plan(n=60)
    with RecordWriter(tmp_path, run_info(plan)) as writer:
        for record in records(plan):
            writer.append(record)
    _, text = built(tmp_path, tmp_path / "out")
    assert "no: the run was killed or is still going" in text
    assert "run not complete" in build_leaderboard(tmp_path, draws=QUICK).entries[0].flags


def test_damaged_thumbnails_cost_the_pictures_alone(tmp_path: Path) -> None:
    folder = write_run(tmp_path, n=30, thumbnails=True)
    next(folder.glob("*.zip")).write_bytes(b"PK")
    report, _ = built(folder, tmp_path / "out")
    assert "Images are missing" in report.html.read_text(encoding="utf-8")


def test_the_same_run_twice_counts_once(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", n=30)
    shutil.copytree(folder, tmp_path / "b")
    report, _ = built(tmp_path, tmp_path / "out")
    assert len(json.loads(report.stats.read_text(encoding="utf-8"))["results"]) == 1
