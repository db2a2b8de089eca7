"""Runs under the names that their user gives them."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import write_run
from typer.testing import CliRunner

from harness_ext.cli import app
from lens_report.measures.runs import ReportError, load_runs
from lens_report.measures.task_run import labels_of


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return write_run(tmp_path / "z", n=30, run_id="2"), write_run(tmp_path / "a", n=30, run_id="1")


def test_names_are_given_in_the_order_of_the_paths(two: tuple[Path, Path]) -> None:
    runs = load_runs(two, ["base", "dola"]).runs
    assert [run.info.run_id for run in runs] == ["1", "2"], "runs are listed oldest first"
    assert labels_of(runs) == ["dola", "base"]
    assert len(set(labels_of(load_runs(two).runs))) == 2


@pytest.mark.parametrize("names", [["base"], ["base", "base"], ["a", "b", "c"]])
def test_each_path_has_a_name_of_its_own(two: tuple[Path, Path], names: list[str]) -> None:
    with pytest.raises(ReportError, match=r"found 2 paths and the names .*; expected a name of its own for each path"):
        load_runs(two, names)


def test_a_folder_of_several_runs_cannot_have_one_name(two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"holds 2 runs \(1, 2\), expected one"):
        load_runs([tmp_path], ["both"])
    with pytest.raises(ReportError, match="was named base already"):
        load_runs([two[0], *two[0].glob("*.parquet")], ["base", "dola"])


def test_the_command_says_what_does_not_fit(two: tuple[Path, Path], tmp_path: Path) -> None:
    words = ["report", *map(str, two), "--out", str(tmp_path / "out"), "--name", "base"]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 1
    assert "found 2 paths and the names base" in found.output
