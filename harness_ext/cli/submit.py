"""`mmlens submit RUN --dst NAME`: the MERA submission archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness_ext.cli.failures import exit_on

__all__ = ["submit"]


def submit(
    run: Annotated[Path | None, typer.Argument(help="The run's output folder.")] = None,
    dst: Annotated[Path | None, typer.Option(help="The archive to write.")] = None,
    check: Annotated[Path | None, typer.Option(help="Check an archive that exists instead.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Comma-separated tasks; all that MERA knows by default.")] = None,
    task_file: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK=FILE", help="A task of another name than MERA's, and its file; may be repeated."),
    ] = None,
) -> None:
    """Pack the answers of RUN for MERA's server and prove that nothing is missing, duplicated or changed."""
    from harness_ext.submission import SubmissionError, check_submission, write_submission

    if (check is None) == (run is None):
        raise typer.BadParameter("give a run with --dst, or an archive with --check")
    if run is not None and dst is None:
        raise typer.BadParameter("missing: the archive to write", param_hint="--dst")
    files = dict(_task_and_file(text) for text in task_file or ())
    with exit_on(SubmissionError, OSError):
        if run is not None and dst is not None:
            done = write_submission(run, dst, tasks=tasks.split(",") if tasks else None, task_files=files)
        else:
            assert check is not None
            done = check_submission(check, task_files=files)
    for name, count in done.answers.items():
        typer.echo(f"{name}: {count} answers")
    typer.echo(f"Valid: {done.path}")


def _task_and_file(text: str) -> tuple[str, str]:
    task, _, file = text.partition("=")
    name = file.strip().removesuffix(".json")
    if not task.strip() or not name or "/" in name:
        raise typer.BadParameter(f"{text!r}; expected TASK=FILE, such as my_clevr=ruCLEVR", param_hint="--task-file")
    return task.strip(), name
