"""`mmlens report RUN... --out DIR`: statistics, figures and the sample explorer from records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness_ext.cli.failures import exit_on

__all__ = ["report"]


def report(
    runs: Annotated[list[Path], typer.Argument(help="Record files, or folders that hold them.")],
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("report_out"),
) -> None:
    """Report on RUNS: report.md, index.html with the explorer, stats.json, figures. Needs no model and no network."""
    from lens_report import ReportError, build_report
    from lens_results import LensResultsError

    with exit_on(ReportError, LensResultsError, OSError):
        made = build_report(runs, out)
    for problem in made.problems:
        typer.echo(f"Left out: {problem.message}", err=True)
    typer.echo(f"Report: {made.html} (open it in a browser), {made.markdown}, {made.stats}")
