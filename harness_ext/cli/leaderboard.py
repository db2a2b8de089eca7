"""`mmlens leaderboard RUN...`: the comparison table alone."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from harness_ext.cli.failures import exit_on
from harness_ext.cli.language import Lang, Language
from harness_ext.cli.printing import AsFormat, print_board
from harness_ext.cli.progress import progress
from harness_ext.cli.task_files import TaskFiles, task_files

__all__ = ["Shape", "leaderboard"]


class Shape(str, Enum):
    """What the rows of a leaderboard are."""

    tasks = "tasks"
    mera = "mera"


def leaderboard(
    runs: Annotated[list[Path], typer.Argument(help="Record files, or folders that hold them.")],
    out: Annotated[Path | None, typer.Option(help="Write leaderboard.md, .csv, .tex and .html there too.")] = None,
    trust: Annotated[
        Path | None, typer.Option(help="Trust file of `mmlens fit-trust`: show what abstaining costs.")
    ] = None,
    abstain_below: Annotated[
        float, typer.Option(min=0, max=1, help="Probability of being right from which an answer is given.")
    ] = 0.5,
    published: Annotated[bool, typer.Option(help="Set published figures for the same tasks beside the runs.")] = True,
    shape: Annotated[
        Shape, typer.Option(help="tasks: a row a task and run. mera: a row a model, MERA's data sets as columns.")
    ] = Shape.tasks,
    task_file: TaskFiles = None,
    form: AsFormat = None,
    lang: Lang = Language.en,
) -> None:
    """Compare RUNS: scores, what predicts their errors, depth of emergence."""
    from lens_report import ReportError, build_benchmark_board, build_leaderboard
    from lens_report.presentation.leaderboard.forms import Board
    from lens_results import LensResultsError

    if task_file and shape is not Shape.mera:
        raise typer.BadParameter("only --shape mera has files of tasks", param_hint="--task-file")
    if trust is not None and shape is not Shape.tasks:
        raise typer.BadParameter("only --shape tasks has columns of a trust file", param_hint="--trust")
    with exit_on(ReportError, LensResultsError, OSError), progress("Reading the records"):
        table: Board
        if shape is Shape.mera:
            from harness_ext.cli.mera_shape import mera

            table = build_benchmark_board(runs, mera(task_files(task_file)), published=published, language=lang.value)
        else:
            table = build_leaderboard(
                runs, published=published, trust=trust, abstain_below=abstain_below, language=lang.value
            )
        files = {} if out is None else table.write(out)
    print_board(table, form)
    for path in files.values():
        typer.echo(f"Written: {path}", err=True)
