from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import Plan, records, write_run
from typer.testing import CliRunner

from harness_ext.cli import app
from harness_ext.cli.mera_shape import mera
from harness_ext.submission.tasks import MODALITIES, TASK_FILES
from lens_report import BenchmarkBoard, ReportError, build_benchmark_board
from lens_report.presentation.document.blocks import Table

FIRST, SECOND = "acme/first", "acme/second"
RUNS = {
    name: replace(plan, metric="exact_match", run_id=run_id)
    for run_id, (name, plan) in {
        "r0": ("old", Plan(n=30, task="ruclevr", model=FIRST, seed=9)),
        "r1": ("clevr", Plan(n=60, task="ruclevr", model=FIRST)),
        "r2": ("weird", Plan(n=90, task="weird", model=FIRST, candidates=("A", "B"), scored=False, format_errors=0.2)),
        "r3": ("biology", Plan(n=60, task="runaturalsciencevqa_biology", model=FIRST, seed=3)),
        "r4": ("physics", Plan(n=120, task="runaturalsciencevqa_physics", model=FIRST, seed=4, ability=3.0)),
        "r5": ("private", Plan(n=60, task="realvqa", model=FIRST, gold=False)),
        "r6": ("sound", Plan(n=60, task="ruenvaqa", model=FIRST, seed=6, info={"limits": {"limit": 60}})),
        "s1": ("second", Plan(n=60, task="ruclevr", model=SECOND, seed=5, ability=4.0)),
        "s2": ("elsewhere", Plan(n=30, task="pope_mini", model=SECOND)),
    }.items()
}


def exact(plan: Plan) -> list[float]:
    """The stored exact match of each document; the synthetic harness scores one without a right answer as 0."""
    return [record.scores["exact_match"] for record in records(plan)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("mera")
    for name, plan in RUNS.items():
        write_run(home / name, plan)
    return home


@pytest.fixture(scope="module")
def board(folder: Path) -> BenchmarkBoard:
    return build_benchmark_board(folder, mera())


def cell(board: BenchmarkBoard, model: str, column: str) -> str:
    table = tables(board)[0]
    return next(row[table.columns.index(column)].text for row in table.rows if row[0].text == model)


def remarks(board: BenchmarkBoard, data_set: str, model: str = FIRST) -> str:
    rows = tables(board)[1].rows
    return next(row[-1].text for row in rows if (row[0].text, row[1].text) == (data_set, model))


def tables(board: BenchmarkBoard) -> list[Table]:
    return [block for _, block in board.document().blocks() if isinstance(block, Table)]


def test_columns_are_the_data_sets_of_mera() -> None:
    benchmark = mera()
    assert {name: len(part) for name, part in benchmark.parts.items()} == {"image": 11, "audio": 4, "video": 3}
    assert sorted(file for part in MODALITIES.values() for file in part) == sorted(set(TASK_FILES.values()))
    known = {name for one in benchmark.data_sets() for names in one.tasks for name in names}
    assert known == {task.lower() for task in TASK_FILES}
    rutie = next(one for one in benchmark.data_sets() if one.name == "ruTiE-Image")
    assert rutie.tasks == (("rutie_vision", "rutie_vision_gen", "rutie_vision_default"),)
    assert len(next(one for one in benchmark.data_sets() if one.name == "UniScienceVQA").tasks) == 6


def test_a_data_set_of_several_tasks_counts_each_document_once(board: BenchmarkBoard) -> None:
    values = exact(RUNS["biology"]) + exact(RUNS["physics"])
    mean = np.mean(values)
    apart = np.mean([np.mean(exact(RUNS["biology"])), np.mean(exact(RUNS["physics"]))])
    assert f"{100 * mean:.1f}" != f"{100 * apart:.1f}", "the two cannot be told apart"
    assert cell(board, FIRST, "ruNaturalScienceVQA") == f"{100 * mean:.1f} †"
    assert remarks(board, "ruNaturalScienceVQA") == "2 of 4 tasks"


def test_an_answer_outside_the_options_is_wrong_where_the_verdict_counts(board: BenchmarkBoard) -> None:
    found = records(RUNS["weird"])
    assert any(record.correct is None for record in found)
    mean = np.mean([record.correct is True for record in found])
    assert cell(board, FIRST, "WEIRD") == f"{100 * mean:.1f} ‡"


def test_a_private_task_has_no_score_and_the_columns_of_the_lens(board: BenchmarkBoard) -> None:
    assert all(score == 0 for score in exact(RUNS["private"])), "there is a stored score to be left out"
    assert cell(board, FIRST, "RealVQA") == "–"
    assert remarks(board, "RealVQA") == "no right answers in the documents"
    depth = np.mean([record.label_free["commit_depth"] for record in records(RUNS["private"])])
    result = next(row for row in board.rows if row.model == FIRST).results["RealVQA"]
    assert result.lens["commit_depth"].value == pytest.approx(depth, rel=1e-12)
    assert result.coverage.value == 1.0


def test_means_are_over_the_data_sets_with_a_score_and_say_how_many(board: BenchmarkBoard) -> None:
    clevr = np.mean(exact(RUNS["clevr"]))
    weird = np.mean([record.correct is True for record in records(RUNS["weird"])])
    natural = np.mean(exact(RUNS["biology"]) + exact(RUNS["physics"]))
    sound = np.mean(exact(RUNS["sound"]))
    assert cell(board, FIRST, "image") == f"{100 * np.mean([clevr, weird, natural]):.1f} (3/11) †"
    assert cell(board, FIRST, "audio") == f"{100 * sound:.1f} (1/4) †"
    assert cell(board, FIRST, "video") == "–"
    assert cell(board, FIRST, "total") == f"{100 * np.mean([clevr, weird, natural, sound]):.1f} (4/18) †"
    assert cell(board, SECOND, "image") == cell(board, SECOND, "total").replace("/18", "/11")
    assert cell(board, FIRST, "CommonVideoQA") == "–"
    assert remarks(board, "ruEnvAQA") == "limit"


def test_the_latest_run_of_a_task_counts_and_the_others_are_named(board: BenchmarkBoard) -> None:
    assert cell(board, FIRST, "ruCLEVR") == f"{100 * np.mean(exact(RUNS['clevr'])):.1f}"
    markdown = board.to_markdown()
    assert "ruclevr of acme/first (r0) in run r0 is left out: run r1 is a later one." in markdown
    assert r"Tasks of other benchmarks are left out: pope\_mini." in markdown


def test_rows_stand_by_total_and_published_figures_below(board: BenchmarkBoard) -> None:
    ours = [row for row in board.rows if not row.source]
    totals = [row.mean(tuple(board.benchmark.data_sets())).value for row in ours]
    assert totals == sorted(totals, reverse=True)
    assert board.rows[: len(ours)] == tuple(ours)
    published = "human (MERA Multi, arXiv 2511.15552, human baseline)"
    assert cell(board, published, "ruCLEVR") == "96.0 †"
    assert cell(board, published, "ruCommonVQA") == "–", "no run has this data set"
    assert cell(board, published, "total") == "–"


def test_four_forms_say_the_same(board: BenchmarkBoard, tmp_path: Path) -> None:
    files = board.write(tmp_path)
    assert sorted(files) == ["csv", "html", "md", "tex"]
    shown = cell(board, FIRST, "image")
    for kind in ("md", "html", "tex"):
        assert shown in files[kind].read_text(encoding="utf-8"), kind
    rows = list(csv.DictReader(io.StringIO(files["csv"].read_text(encoding="utf-8"))))
    one = next(row for row in rows if (row["model"], row["data_set"]) == (FIRST, "ruNaturalScienceVQA"))
    assert float(one["score"]) == pytest.approx(np.mean(exact(RUNS["biology"]) + exact(RUNS["physics"])), rel=1e-12)
    assert (one["n"], one["partial"], one["run_ids"]) == ("180", "2 of 4 tasks", "r3 r4")
    private = next(row for row in rows if row["data_set"] == "RealVQA")
    assert private["score"] == ""
    assert private["commit_depth"] != ""
    total = next(row for row in rows if (row["model"], row["part"]) == (FIRST, "total"))
    assert (total["data_sets"], total["partial"]) == ("4", "yes")


def test_runs_of_no_task_of_the_benchmark_are_refused(folder: Path) -> None:
    with pytest.raises(ReportError, match=r"found pope_mini; expected rucommonvqa, ruclevr.*--task-file TASK=FILE"):
        build_benchmark_board(folder / "elsewhere", mera())


def test_the_command_takes_tasks_of_other_names(folder: Path) -> None:
    runs = [str(folder / "elsewhere"), "--shape", "mera", "--no-published"]
    done = CliRunner().invoke(app, ["leaderboard", *runs, "--task-file", "pope_mini=WEIRD"])
    assert done.exit_code == 0, done.output
    score = np.mean(exact(RUNS["elsewhere"]))
    assert f"| acme/second | {100 * score:.1f} (1/18) | {100 * score:.1f} (1/11) | – | – |" in done.output
    assert "human" not in done.output
    refused = CliRunner().invoke(app, ["leaderboard", str(folder), "--task-file", "pope_mini=WEIRD"])
    assert refused.exit_code == 2
    assert "--shape mera" in refused.output
