"""`mmlens submit RUN --dst NAME`: the MERA submission archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness_ext.cli.failures import exit_on
from harness_ext.cli.task_files import TaskFiles, task_files

__all__ = ["submit"]


def submit(
    run: Annotated[Path | None, typer.Argument(help="The run's output folder.")] = None,
    dst: Annotated[Path | None, typer.Option(help="The archive to write.")] = None,
    check: Annotated[Path | None, typer.Option(help="Check an archive that exists instead.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Comma-separated tasks; all that MERA knows by default.")] = None,
    task_file: TaskFiles = None,
) -> None:
    """Pack the answers of RUN for MERA's server and prove that nothing is missing, duplicated or changed."""
    from harness_ext.submission import SubmissionError, check_submission, write_submission

    if (check is None) == (run is None):
        raise typer.BadParameter("give a run with --dst, or an archive with --check")
    if run is not None and dst is None:
        raise typer.BadParameter("missing: the archive to write", param_hint="--dst")
    files = task_files(task_file)
    with exit_on(SubmissionError, OSError):
        if run is not None and dst is not None:
            done = write_submission(run, dst, tasks=tasks.split(",") if tasks else None, task_files=files)
        else:
            assert check is not None
            done = check_submission(check, task_files=files)
    for name, count in done.answers.items():
        typer.echo(f"{name}: {count} answers")
    typer.echo(f"Valid: {done.path}")
