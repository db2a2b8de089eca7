"""`mmlens paper RUN... --out DIR`: two pages on a run, from records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness_ext.cli.failures import exit_on
from harness_ext.cli.language import Lang, Language
from harness_ext.cli.progress import progress

__all__ = ["paper"]


def paper(
    runs: Annotated[list[Path], typer.Argument(help="Record files, or folders that hold them.")],
    out: Annotated[Path, typer.Option(help="Folder of the paper.")] = Path("paper_out"),
    about: Annotated[
        Path | None,
        typer.Option(help="Text file: what to say of the model and its training. It is shown as it is."),
    ] = None,
    lang: Lang = Language.en,
) -> None:
    """Two pages on RUNS as a PDF: model, tasks, method, findings, figures, limits. Needs no model and no network."""
    from lens_report import ReportError, build_paper
    from lens_results import LensResultsError

    with exit_on(ReportError, LensResultsError, OSError, UnicodeDecodeError), progress("Reading the records"):
        text = about.read_text(encoding="utf-8") if about is not None else ""
        made = build_paper(runs, out, about=text, language=lang.value)
    for problem in made.problems:
        typer.echo(problem.message, err=True)
    typer.echo(f"Paper: {made.pdf or made.source}, from {made.folder / 'paper.json'}")
