"""`mmlens fit-trust RUN... --out FILE`: the probability that an answer is right, fitted on labelled runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness_ext.cli.failures import exit_on
from harness_ext.cli.progress import progress

__all__ = ["fit_trust"]


def fit_trust(
    runs: Annotated[list[Path], typer.Argument(help="Labelled runs: record files, or folders that hold them.")],
    out: Annotated[Path, typer.Option(help="The trust file to write.")],
    layers: Annotated[bool, typer.Option(help="Use the layers beside confidence and entropy of the last one.")] = True,
) -> None:
    """Fit the probability that an answer is right on RUNS, for `mmlens leaderboard --trust`."""
    from lens_report import ReportError, fit_on_runs
    from lens_results import LensResultsError

    with exit_on(ReportError, LensResultsError, OSError), progress("Reading the records"):
        trust = fit_on_runs(runs, layers=layers)
        trust.write(out)
    typer.echo(f"{out}: {trust.digest}, fitted on {trust.n} answers by {', '.join(trust.model.names)}")
