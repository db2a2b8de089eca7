"""The `mmlens` command. Each subcommand is a module of its own; heavy imports wait until one is called."""

from __future__ import annotations

import os
from importlib import metadata
from typing import Annotated

import typer

from harness_ext.cli.check import check
from harness_ext.cli.compare import compare
from harness_ext.cli.fit_trust import fit_trust
from harness_ext.cli.leaderboard import leaderboard
from harness_ext.cli.paper import paper
from harness_ext.cli.patch import patch
from harness_ext.cli.predict import predict
from harness_ext.cli.prepare import prepare
from harness_ext.cli.report import report
from harness_ext.cli.submit import submit
from harness_ext.cli.tasks import tasks
from harness_ext.cli.train_lens import train_lens
from harness_ext.cli.train_selector import train_selector
from harness_ext.cli.view import view

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mmlens {metadata.version('mm-logit-lens')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Layer-wise answer readouts (the logit lens) beside every score of lmms-eval, lm-eval and MERA."""


app.command()(check)
app.command()(report)
app.command()(view)
app.command()(leaderboard)
app.command()(compare)
app.command()(predict)
app.command("fit-trust")(fit_trust)
app.command()(paper)
app.command()(submit)
app.command()(tasks)
app.command("train-lens")(train_lens)
app.command("train-selector")(train_selector)
app.command()(patch)
app.add_typer(prepare, name="prepare")


def main() -> None:
    """Entry point of the installed command."""
    os.environ.setdefault("LOGURU_LEVEL", "WARNING")  # lmms-eval logs each file that it looks at
    app()
