"""`mmlens tasks`: where the bundled tasks are."""

from __future__ import annotations

from typing import Annotated

import typer

from lens_tasks.folders import lm_eval_tasks, lmms_eval_tasks

__all__ = ["HARNESSES", "tasks"]

HARNESSES = {"lmms-eval": lmms_eval_tasks, "lm-eval": lm_eval_tasks}


def tasks(
    harness: Annotated[str, typer.Option(help="lmms-eval or lm-eval.")] = "lmms-eval",
    names: Annotated[bool, typer.Option("--names", help="List the task names instead.")] = False,
) -> None:
    """Print the folder of the bundled tasks, for the harness's --include_path."""
    if harness not in HARNESSES:
        raise typer.BadParameter(f"{harness!r}; expected one of {', '.join(HARNESSES)}", param_hint="--harness")
    folder = HARNESSES[harness]()
    if not names:
        typer.echo(str(folder))
        return
    for path in sorted(folder.glob("[!_]*.yaml")):
        typer.echo(path.stem)
