"""`mmlens prepare ...`: bring a data set into the form that its task reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness_ext.cli.failures import exit_on

__all__ = ["prepare"]

prepare = typer.Typer(help="Bring a data set into the form that its task reads.", no_args_is_help=True)


@prepare.command()
def clevr(
    source: Annotated[Path, typer.Argument(help="The unpacked official release, CLEVR_v1.0.")],
    out: Annotated[Path | None, typer.Option(help="Where to put the prepared files.")] = None,
) -> None:
    """Prepare the validation split of CLEVR for the task `clevr`."""
    from lens_tasks.folders import MissingDataError
    from lens_tasks.tasks.clevr_release import prepare as prepare_clevr

    with exit_on(MissingDataError, ValueError):
        typer.echo(f"Prepared: {prepare_clevr(source, out)}")


@prepare.command()
def coco(
    annotations: Annotated[Path, typer.Argument(help="COCO's instances_val2014.json.")],
    out: Annotated[Path | None, typer.Option(help="Where to put the prepared file.")] = None,
) -> None:
    """Prepare the boxes of COCO's objects for POPE, see docs/boxes.md."""
    from lens_tasks.folders import MissingDataError
    from lens_tasks.tasks.coco import prepare as prepare_coco

    with exit_on(MissingDataError, ValueError):
        typer.echo(f"Prepared: {prepare_coco(annotations, out)}")


@prepare.command()
def perceptiontest(
    annotations: Annotated[Path, typer.Argument(help="The unpacked official annotations, such as valid_annotations.")],
    asked: Annotated[
        Path | None, typer.Option(help="JSON: question -> labels of the objects asked about, where it names none.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to put the prepared file.")] = None,
) -> None:
    """Prepare the object tracks of Perception Test for the stock task, see docs/tracks.md."""
    from lens_tasks.folders import MissingDataError
    from lens_tasks.tasks.perceptiontest import prepare as prepare_tracks

    with exit_on(MissingDataError, ValueError):
        typer.echo(f"Prepared: {prepare_tracks(annotations, asked, out)}")
