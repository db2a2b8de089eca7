from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from synthetic import QUICK, Plan, write_run

from lens_report import Leaderboard, ReportError, build_leaderboard
from lens_report.presentation.document.html import unbroken
from lens_report.presentation.leaderboard import published_rows
from lens_report.presentation.leaderboard.entries import COLUMNS
from lens_report.stats import Estimate
from lens_results import LensInfo

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
    home = tmp_path_factory.mktemp("board")
    write_run(home / "a", n=180, task="ruclevr", model="acme/first_&_best|")
    write_run(home / "b", n=180, task="ruclevr", run_id="second", seed=5, ability=3.5, model="acme/second")
    return build_leaderboard(home, draws=QUICK)


def test_runs_stand_best_first_and_published_figures_are_marked(board: Leaderboard) -> None:
    ours = [one for one in board.entries if not one.published]
    theirs = [one for one in board.entries if one.published]
    assert [one.model for one in ours] == ["acme/second", "acme/first_&_best|"]
    assert board.entries[: len(ours)] == tuple(ours)
    assert theirs[0].model == "human"
    assert theirs[0].score == pytest.approx(0.96)
    for one in theirs:
        assert "published" in one.cells()[COLUMNS.index("comparability")].text
        assert "arXiv 2511.15552" in one.published


def test_a_row_has_all_columns(board: Leaderboard) -> None:
    one = board.entries[0]
    assert isinstance(one.score, Estimate)
    assert one.score.low is not None
    assert one.confidence is not None
    assert one.best
    assert one.gain is not None
    assert one.stable is not None
    assert one.stable.value is not None
    assert 0 < one.stable.value <= 1
    assert None not in (one.lost, one.corrected, one.format_errors, one.coverage)
    assert one.layers == 12
    assert len(one.cells()) == len(COLUMNS)


def test_paired_comparison(board: Leaderboard) -> None:
    (pair,) = board.comparisons
    assert pair.result.difference.n == 180
    assert pair.result.p_value is not None
    assert pair.result.p_value < 0.05
    assert "acme/second scores higher than" in board.to_markdown()


def test_four_forms_say_the_same(board: Leaderboard, tmp_path: Path) -> None:
    files = board.write(tmp_path)
    assert sorted(files) == ["csv", "html", "md", "tex"]
    rows = list(csv.DictReader(io.StringIO(files["csv"].read_text(encoding="utf-8"))))
    assert len(rows) == len(board.entries)
    score = board.entries[0].score
    assert isinstance(score, Estimate)
    assert float(rows[0]["score"]) == score.value
    shown = board.entries[0].cells()[2].text
    markdown, html, latex = (files[kind].read_text(encoding="utf-8") for kind in ("md", "html", "tex"))
    assert shown.replace("[", r"\[").replace("]", r"\]") in markdown
    assert unbroken(shown) in html
    assert shown.replace("%", r"\%") in latex


def test_names_cannot_break_a_form(board: Leaderboard) -> None:
    assert r"acme/first\_&amp;\_best\|" in board.to_markdown()
    assert "first_&amp;_best|" in board.to_html()
    assert r"acme/first\_\&\_best|" in board.to_latex()
    assert "://" not in board.to_html()


DIFFERENT: dict[str, dict[str, Any]] = {
    "prompt": {"info": {"prompt": {"num_fewshot": {"pope_mini": 5}}}},
    "generation": {"info": {"generation": {"pope_mini": {"max_new_tokens": 999}}}},
    "limit": {"info": {"limits": {"limit": 60}}},
    "samples": {"n": 30},
    "labels": {"candidates": ("ja", "nein")},
    "lens": {"info": {"lens": LensInfo(tuple(range(1, 13)), norm="none")}},
    "score": {"scored": False},
}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
    """Two runs alike, and one more for each aspect that is different in it."""
    home = tmp_path_factory.mktemp("mixed")
    for place, name in enumerate(("alike", "too", *DIFFERENT)):
        plan = {"n": 60, "run_id": f"run{place}", "model": f"acme/{name}", "seed": place} | DIFFERENT.get(name, {})
        write_run(home / name, Plan(**plan))
    return build_leaderboard(home, draws=QUICK)


def test_what_is_alike_is_not_flagged(mixed: Leaderboard) -> None:
    entries = {one.model: one.flags for one in mixed.entries}
    shown = {one.model: one.cells()[COLUMNS.index("score")].text for one in mixed.entries}
    assert entries["acme/alike"] == entries["acme/too"] == ()
    assert {name for name, text in shown.items() if "†" in text} == {f"acme/{aspect}" for aspect in DIFFERENT}


@pytest.mark.parametrize("aspect", DIFFERENT)
def test_what_differs_is_flagged(mixed: Leaderboard, aspect: str) -> None:
    flags = next(one.flags for one in mixed.entries if one.model == f"acme/{aspect}")
    assert f"{aspect} differs" in flags


def test_of_two_that_differ_both_are_flagged(tmp_path: Path) -> None:
    write_run(tmp_path / "a", n=60)
    write_run(tmp_path / "b", n=60, run_id="b", info={"limits": {"limit": 60}})
    board = build_leaderboard(tmp_path, draws=QUICK)
    assert [one.flags for one in board.entries] == [("limit differs",)] * 2
    assert all(one.cells()[COLUMNS.index("score")].text.endswith(" †") for one in board.entries)
    assert board.to_markdown().count("limit differs") == 2


def test_answers_that_were_not_read_make_no_other_labels(tmp_path: Path) -> None:
    write_run(tmp_path / "a", n=60)
    write_run(tmp_path / "b", n=60, run_id="b", failed=0.3, format_errors=0.1)
    assert [one.flags for one in build_leaderboard(tmp_path, draws=QUICK).entries] == [(), ()]


def test_published_figures_have_sources_and_can_be_replaced(tmp_path: Path) -> None:
    rows = published_rows(["pope", "weird", "ruclevr", "rucommonvqa"])
    assert len(rows) == 26
    assert all(row.source and 0 <= row.score <= 1 for row in rows)
    assert published_rows(["pope_mini"]) == []
    own = tmp_path / "own.yaml"
    own.write_text("sources: {x: me}\ntasks: {T: [t]}\nrows: [{task: T, model: m, measure: a, score: 0.5, source: x}]")
    assert [row.model for row in published_rows(["t"], own)] == ["m"]
    own.write_text("rows: [{task: T}]")
    with pytest.raises(ReportError, match="expected `sources`, `tasks` and `rows`"):
        published_rows(["t"], own)
