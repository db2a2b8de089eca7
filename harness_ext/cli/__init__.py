"""The `mmlens` command. Each subcommand is a module of its own; heavy imports wait until one is called."""

from __future__ import annotations

import os

import typer

from harness_ext.cli.check import check
from harness_ext.cli.compare import compare
from harness_ext.cli.fit_trust import fit_trust
from harness_ext.cli.leaderboard import leaderboard
from harness_ext.cli.paper import paper
from harness_ext.cli.predict import predict
from harness_ext.cli.prepare import prepare
from harness_ext.cli.report import report
from harness_ext.cli.submit import submit
from harness_ext.cli.tasks import tasks

__all__ = ["app", "main"]

app = typer.Typer(
    help="Layer-wise answer readouts (the logit lens) beside every score of lmms-eval, lm-eval and MERA.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(check)
app.command()(report)
app.command()(leaderboard)
app.command()(compare)
app.command()(predict)
app.command("fit-trust")(fit_trust)
app.command()(paper)
app.command()(submit)
app.command()(tasks)
app.add_typer(prepare, name="prepare")


def main() -> None:
    """Entry point of the installed command."""
    os.environ.setdefault("LOGURU_LEVEL", "WARNING")  # lmms-eval logs each file that it looks at
    app()
