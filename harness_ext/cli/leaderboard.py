"""`mmlens leaderboard RUN...`: the comparison table alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness_ext.cli.failures import exit_on

__all__ = ["leaderboard"]


def leaderboard(
    runs: Annotated[list[Path], typer.Argument(help="Record files, or folders that hold them.")],
    out: Annotated[Path | None, typer.Option(help="Write leaderboard.md, .csv, .tex and .html there too.")] = None,
    published: Annotated[bool, typer.Option(help="Set published figures for the same tasks beside the runs.")] = True,
) -> None:
    """Compare RUNS: scores, what predicts their errors, depth of emergence; prints Markdown."""
    from lens_report import ReportError, build_leaderboard
    from lens_results import LensResultsError

    with exit_on(ReportError, LensResultsError, OSError):
        table = build_leaderboard(runs, published=published)
        files = {} if out is None else table.write(out)
    typer.echo(table.to_markdown())
    for path in files.values():
        typer.echo(f"Written: {path}", err=True)
