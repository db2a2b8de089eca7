"""`mmlens compare BASE RUN...`: what interventions corrected and broke."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness_ext.cli.failures import exit_on
from harness_ext.cli.language import Lang, Language
from harness_ext.cli.printing import AsFormat, print_board
from harness_ext.cli.progress import progress

__all__ = ["compare"]


def compare(
    base: Annotated[Path, typer.Argument(help="Records of the run without interventions: a file or folder.")],
    runs: Annotated[list[Path], typer.Argument(help="Records of the runs with them.")],
    tune_on: Annotated[
        float | None,
        typer.Option(help="Share of the pictures on which the best setting of each intervention is chosen, e.g. 0.3."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write compare.md, .csv, .tex and .html there too.")] = None,
    form: AsFormat = None,
    lang: Lang = Language.en,
) -> None:
    """Compare RUNS with BASE sample by sample: gains, losses, and whether they bring back what the layers held."""
    from lens_report import ReportError, build_effects
    from lens_results import LensResultsError

    with exit_on(ReportError, LensResultsError, OSError), progress("Reading the records"):
        table = build_effects(base, runs, tune_on=tune_on, language=lang.value)
        files = {} if out is None else table.write(out)
    print_board(table, form)
    for path in files.values():
        typer.echo(f"Written: {path}", err=True)
