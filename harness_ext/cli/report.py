"""`mmlens report RUN... --out DIR`: statistics, figures and the sample explorer from records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness_ext.cli.failures import exit_on
from harness_ext.cli.importing import objects_set_aside
from harness_ext.cli.language import Lang, Language
from harness_ext.cli.progress import progress

__all__ = ["Names", "report"]

Names = Annotated[
    list[str] | None,
    typer.Option("--name", metavar="NAME", help="What a run is called in the report, once for each of RUNS, in order."),
]


def report(
    runs: Annotated[list[Path], typer.Argument(help="Record files, or folders that hold them.")],
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("report_out"),
    before_after: Annotated[
        list[str] | None,
        typer.Option(metavar="BEFORE=AFTER", help="Two tasks that ask the same questions, before and after."),
    ] = None,
    name: Names = None,
    lang: Lang = Language.en,
) -> None:
    """Report on RUNS: report.md, index.html with the explorer, stats.json, figures. Needs no model and no network."""
    with objects_set_aside():
        from lens_report import ReportError, build_report
        from lens_results import LensResultsError

    pairs = [_pair(each) for each in before_after or ()]
    with exit_on(ReportError, LensResultsError, OSError), progress("Reading the records"):
        made = build_report(runs, out, before_after=pairs, language=lang.value, names=name or ())
    for problem in made.problems:
        typer.echo(f"Left out: {problem.message}", err=True)
    typer.echo(f"Report: {made.html} (open it in a browser), {made.markdown}, {made.stats}")


def _pair(text: str) -> tuple[str, str]:
    before, _, after = (part.strip() for part in text.partition("="))
    if not before or not after:
        raise typer.BadParameter(f"{text!r}; expected two tasks, BEFORE=AFTER", param_hint="--before-after")
    return before, after
