"""`mmlens predict RUN... --from RUN`: accuracy of runs without labels from labelled ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness_ext.cli.failures import exit_on
from harness_ext.cli.printing import AsFormat, print_board
from harness_ext.cli.progress import progress

__all__ = ["predict"]


def predict(
    runs: Annotated[list[Path], typer.Argument(help="Runs to be predicted: record files, or folders that hold them.")],
    labelled: Annotated[
        list[Path],
        typer.Option("--from", metavar="RUN", help="A labelled run: another task, or another model; may be repeated."),
    ],
    method: Annotated[
        list[str] | None, typer.Option(help="A method of docs/predict.md, or `all`; may be repeated.")
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="A task of the runs; all by default. May be repeated.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Give numbers although the scores lie outside the labelled runs'.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Set the accuracy by the runs' own labels beside the predictions.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the table there too, as .csv.")] = None,
    form: AsFormat = None,
) -> None:
    """Predict the accuracy of RUNS without looking at their labels."""
    from lens_report import ReportError, predict_accuracy
    from lens_report.measures.accuracy import DEFAULT_METHODS
    from lens_report.stats.label_free import METHODS
    from lens_results import LensResultsError

    methods = method or DEFAULT_METHODS
    with exit_on(ReportError, LensResultsError, OSError), progress("Reading the records"):
        table = predict_accuracy(
            runs, labelled, methods=tuple(METHODS) if "all" in methods else methods, tasks=task, force=force,
            compare=compare,
        )  # fmt: skip
        if out is not None:
            table.to_frame().to_csv(out, index=False)
    print_board(table, form)
