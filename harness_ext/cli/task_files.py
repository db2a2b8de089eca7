"""`--task-file TASK=FILE`: tasks of other names than MERA's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

__all__ = ["TaskFiles", "task_files"]

TaskFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--task-file", metavar="TASK=FILE", help="A task of another name than MERA's, and its file; may be repeated."
    ),
]


def task_files(given: Iterable[str] | None) -> dict[str, str]:
    """Task -> file.

    Raises:
        typer.BadParameter: A text is not of the form TASK=FILE.
    """
    return dict(_task_and_file(text) for text in given or ())


def _task_and_file(text: str) -> tuple[str, str]:
    task, _, file = text.partition("=")
    name = file.strip().removesuffix(".json")
    if not task.strip() or not name or "/" in name:
        raise typer.BadParameter(f"{text!r}; expected TASK=FILE, such as my_clevr=ruCLEVR", param_hint="--task-file")
    return task.strip(), name
