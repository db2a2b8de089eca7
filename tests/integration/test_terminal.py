"""What the commands show on a terminal, and what they write into a pipe."""

from __future__ import annotations

import io
import logging
import os
import pty
import subprocess
from pathlib import Path

import pytest
from command_runner import BIN, environment
from rich.console import Console
from typer.testing import CliRunner

from harness_ext.cli import app, printing
from harness_ext.cli.progress import progress

RUNS = Path(__file__).parents[2] / "results"
BASE, OTHERS = RUNS / "main", RUNS / "prompt_bare"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of one small task."""
    folder = tmp_path_factory.mktemp("run")
    (file,) = BASE.glob("lens_weird_mini_*.parquet")
    (folder / file.name).symlink_to(file)
    return folder


@pytest.fixture(scope="module")
def board(run_folder: Path) -> printing.Board:
    from lens_report import build_leaderboard

    return build_leaderboard([run_folder])


def shown(board: printing.Board, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    text = io.StringIO()
    monkeypatch.setattr(printing, "Console", lambda: Console(file=text, width=width))
    printing.print_board(board, printing.Format.table)
    return text.getvalue()


@pytest.mark.end_to_end
def test_a_pipe_gets_markdown_and_other_forms_on_request(run_folder: Path, board: printing.Board) -> None:
    def said(*words: str) -> str:
        return CliRunner().invoke(app, ["leaderboard", str(run_folder), *words]).stdout

    assert said() == board.to_markdown() + "\n"
    assert said("--format", "csv") == board.to_csv()
    assert said("--format", "latex") == board.to_latex()
    assert "weird_mini" in said("--format", "table")
    assert r"weird\_mini" not in said("--format", "table")


@pytest.mark.end_to_end
def test_every_number_is_on_the_terminal_whatever_its_width(
    board: printing.Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    (table,) = (block for block in board.shown().sections[0].blocks if hasattr(block, "rows"))
    for width in (60, 80, 120, 400):
        text = shown(board, width, monkeypatch)
        assert max(map(len, text.splitlines())) <= width
        flat = " ".join(text.split())
        for cell in (cell.text for row in table.rows for cell in row if isinstance(cell.value, list)):
            assert cell in flat, (width, cell)
    assert table.columns[-2] in shown(board, 400, monkeypatch)


@pytest.mark.end_to_end
def test_a_terminal_gets_tables(run_folder: Path) -> None:
    ours, theirs = pty.openpty()
    subprocess.run(
        [BIN / "mmlens", "leaderboard", run_folder], stdout=theirs, stderr=subprocess.DEVNULL, check=True,
        env={**environment(), "COLUMNS": "100", "TERM": "xterm"}, timeout=280,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:  # the other end is closed and everything was read
        pass
    assert b"\x1b[1m" in said, "bold"
    assert b"| --- |" not in said


@pytest.mark.parametrize(("patience", "expected"), [(0.0, ["step 2"]), (60.0, [])])
def test_long_work_says_what_it_is_at(patience: float, expected: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("lens_report.anything")
    with progress("step 1", patience=patience) as started:
        if patience == 0.0:
            started.wait(10)
        log.info("step %d", 2)
        log.debug("more than anybody wants")
    log.info("afterwards")
    lines = capfd.readouterr().err.splitlines()
    assert lines[-1:] == expected
    assert logging.getLogger("lens_report").handlers == []


@pytest.mark.end_to_end
def test_slips_are_answered_with_the_nearest_name(run_folder: Path) -> None:
    def said(*words: str) -> str:
        return " ".join(CliRunner().invoke(app, [*words]).output.split())

    runs = (str(run_folder), "--from", str(run_folder))
    assert "Did you mean mean?" in said("predict", *runs, "--method", "meen")
    assert "no run has the task 'wierd_mini'; they have weird_mini. Did you mean weird_mini?" in said(
        "predict", *runs, "--task", "wierd_mini"
    )
    assert "leaderboard" in said("leaderbord")
    assert "--format" in said("leaderboard", str(run_folder), "--fromat", "csv")
