"""Input that is missing, damaged or too small: a message, or a report that says so; never a traceback or a number."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from blank_figures import blank_figures
from synthetic import QUICK, Plan, records, run_info, write_run

from lens_report import Report, ReportError, build_leaderboard, build_report
from lens_report.measures.runs import load_runs
from lens_results import RecordWriter
from lens_results.codec import to_table
from lens_results.storage import file_metadata, write_tables

pytestmark = pytest.mark.end_to_end


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


@dataclass(frozen=True)
class Mixed:
    """A good run, the same once more, and files that cannot be used, with the report of all."""

    folder: Path
    truncated: Path
    damaged: Path
    report: Report
    text: str

    def problem(self, what: str) -> str:
        """What is said of a file or run."""
        (said,) = [problem.message for problem in self.report.problems if problem.what == what]
        return said


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    folder = tmp_path_factory.mktemp("mixed")
    shutil.copytree(write_run(folder / "good", n=60), folder / "again")
    truncated = next(write_run(folder / "truncated", n=60, run_id="truncated").glob("*.parquet"))
    truncated.write_bytes(truncated.read_bytes()[:5000])
    damaged = next(write_run(folder / "damaged", n=60, run_id="damaged").glob("*.parquet"))
    spoil_entropy(damaged)
    future, empty = Plan(n=12, run_id="future"), Plan(run_id="empty")
    metadata = file_metadata(run_info(future), future.task) | {b"mmlens.format": b"9.0"}
    write_tables(folder / "new" / "lens_pope_mini_future.parquet", [to_table(records(future))], metadata)
    metadata = file_metadata(run_info(empty), empty.task)
    write_tables(folder / "lens_pope_mini_empty.parquet", [to_table([])], metadata)
    with blank_figures():
        report, text = built(folder, tmp_path_factory.mktemp("out"))
    return Mixed(folder, truncated, damaged, report, text)


def spoil_entropy(file: Path) -> None:
    """Zeros in the middle of a column."""
    data, column = bytearray(file.read_bytes()), pq.read_metadata(file).row_group(0)
    chunk = next(
        column.column(i) for i in range(column.num_columns) if column.column(i).path_in_schema.startswith("entropy")
    )
    start = chunk.data_page_offset + 60
    data[start : start + 40] = bytes(40)
    file.write_bytes(bytes(data))


def test_a_truncated_file_is_named_and_the_rest_reported(mixed: Mixed) -> None:
    assert "cut short or damaged" in mixed.problem(str(mixed.truncated))
    assert "Not in this report" in mixed.text
    assert "cut short or damaged" in mixed.text
    board = build_leaderboard([mixed.folder / "good", mixed.truncated], draws=QUICK)
    assert len(board.problems) == 1
    assert "cut short or damaged" in board.to_markdown()


def test_whatever_cannot_be_used_is_named_once_and_no_more(mixed: Mixed) -> None:
    assert len(mixed.report.problems) == 4


def test_only_damaged_files(tmp_path: Path) -> None:
    bad = next(write_run(tmp_path, n=30).glob("*.parquet"))
    bad.write_bytes(bad.read_bytes()[:900])
    with pytest.raises(ReportError, match="cut short or damaged"):
        build_report(tmp_path, tmp_path / "out")


def test_a_file_damaged_inside_is_left_out(mixed: Mixed) -> None:
    assert mixed.problem("damaged")
    runs = json.loads(mixed.report.stats.read_text(encoding="utf-8"))["runs"]
    assert "damaged" not in {run["run_id"] for run in runs}


def test_a_later_format_is_refused_with_advice(mixed: Mixed) -> None:
    assert "record format 9.0" in mixed.text
    assert "Upgrade mm-logit-lens" in mixed.text


def test_an_empty_run_is_named(mixed: Mixed) -> None:
    assert "found no samples" in mixed.text


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
    assert "Nothing can be said about errors here: 4 clusters, at least 10 are needed." in text
    assert "| final\\_margin |" not in text
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
    with blank_figures():
        _, text = built(tmp_path, tmp_path / "out")
    assert "no: the run was killed or is still going" in text
    assert "run not complete" in build_leaderboard(tmp_path, draws=QUICK).entries[0].flags


def test_damaged_thumbnails_cost_the_pictures_alone(tmp_path: Path) -> None:
    folder = write_run(tmp_path, n=30, thumbnails=True)
    next(folder.glob("*.zip")).write_bytes(b"PK")
    with blank_figures():
        report, _ = built(folder, tmp_path / "out")
    assert "Images are missing" in report.html.read_text(encoding="utf-8")


def test_the_same_run_twice_counts_once(mixed: Mixed) -> None:
    assert len(json.loads(mixed.report.stats.read_text(encoding="utf-8"))["results"]) == 1


def test_files_of_one_run_that_are_given_one_by_one_are_one_run(tmp_path: Path) -> None:
    write_run(tmp_path / "run", n=30, task="pope_mini")
    write_run(tmp_path / "other", n=40, task="clevr_mini")
    files = sorted([*(tmp_path / "run").glob("lens_*.parquet"), *(tmp_path / "other").glob("lens_*.parquet")])
    assert len(files) == 2
    for paths in (files, [*files, tmp_path / "run"], [*files, *files]):
        (run,) = load_runs(paths).runs
        assert run.tasks == ("clevr_mini", "pope_mini")
        assert len(run) == 70
