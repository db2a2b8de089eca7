"""`mmlens view RUN...`: build the report and open it."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from harness_ext.cli.language import Lang, Language
from harness_ext.cli.report import Names, report

__all__ = ["view"]


def view(
    runs: Annotated[list[Path], typer.Argument(help="Record files, or folders that hold them.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report; the first run's folder, `report`, by default.")
    ] = None,
    name: Names = None,
    lang: Lang = Language.en,
) -> None:
    """Report on RUNS and open the page in a browser."""
    first = runs[0] if runs[0].is_dir() else runs[0].parent
    folder = out or first / "report"
    report(runs, folder, None, name, lang)
    page = (folder / "index.html").resolve()
    if not webbrowser.open(page.as_uri()):
        typer.echo(f"There is no browser here; copy {folder} to a machine that has one.", err=True)
