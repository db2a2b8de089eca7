"""`mmlens train-lens MODEL --data DATA --out DIR`: a lens of a model's own, and how good it is."""

from __future__ import annotations

import logging
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from harness_ext.cli.failures import exit_on
from harness_ext.cli.learning import Bars, Sources, share_of
from harness_ext.cli.model_options import (
    Device,
    DeviceMap,
    Dtype,
    IncludePath,
    MeasuredOn,
    Model,
    Precision,
    Prompts,
    Revision,
    TrustRemoteCode,
)

if TYPE_CHECKING:
    from lens_models.lenses import HeldOut

__all__ = ["train_lens"]

log = logging.getLogger(__name__)


class Kind(str, Enum):
    """Of `lens_models.lenses.files.KINDS`."""

    tuned = "tuned"
    jacobian = "jacobian"


class Optimizer(str, Enum):
    """Of `lens_models.lenses.tuned.OPTIMIZERS`."""

    sgd = "sgd"
    adam = "adam"


def train_lens(
    model: Model,
    data: Annotated[
        str,
        typer.Option(help="A folder of pictures (questions.jsonl beside them), such a file, or a task of lmms-eval."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the lens; a run that was stopped goes on there.")],
    kind: Annotated[Kind, typer.Option(help="tuned: affine maps that are trained. jacobian: mean derivatives.")] = (
        Kind.tuned
    ),
    question: Annotated[str | None, typer.Option(help="Asked about pictures without a question of their own.")] = None,
    prompts: Prompts = 2000,
    held_out: MeasuredOn = "0.2",
    steps: Annotated[int, typer.Option(min=0, help="Training steps; 0 only measures the lens of --start.")] = 250,
    batch_size: Annotated[int, typer.Option(min=1, help="Prompts a step.")] = 16,
    optimizer: Annotated[Optimizer, typer.Option(help="sgd as the package tuned-lens, or adam.")] = Optimizer.sgd,
    rate: Annotated[float, typer.Option(min=0, help="Factor of the optimizer's rate.")] = 1.0,
    start: Annotated[
        Path | None, typer.Option(help="A tuned lens to begin with: a lens folder, or one of the package tuned-lens.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Of the model's answer, which is read too.")] = 16,
    precision: Annotated[Precision, typer.Option(help="In which the lens is kept and measured.")] = Precision.float16,
    seed: Annotated[int, typer.Option(help="Of the order of the prompts.")] = 0,
    include_path: IncludePath = None,
    dtype: Dtype = "auto",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Learn a lens of MODEL and measure it on pictures that it was not learnt on, beside the logit lens.

    Read with it by lens_kind=KIND:FOLDER in --model_args. Labels are not looked at.

    Exit code: 0 when the lens was written, also where it is worse than the logit lens (it says so, and the lens is
    refused then); 1 when the model or the data cannot be read; 2 for wrong options.
    """
    from harness_ext.model_check import TaskError
    from lens_engine.lens_learning import LearningPlan, learn_lens
    from lens_engine.opening import reading_engine
    from lens_models import LensError, load_model
    from lens_models.lenses.files import read_lens
    from lens_models.lenses.tuned import Recipe

    share = share_of(held_out)
    if start is not None and kind is not Kind.tuned:
        raise typer.BadParameter("only a tuned lens begins with another one", param_hint="--start")
    if start is None and not steps and kind is Kind.tuned:
        raise typer.BadParameter("0 steps measure the lens of --start", param_hint="--steps")
    with exit_on(LensError, TaskError, OSError):
        loaded = load_model(
            model,
            dtype=dtype,
            device=device,
            device_map=device_map,
            revision=revision,
            trust_remote_code=trust_remote_code,
        )
        engine = reading_engine(loaded, log)
        assert engine.lens is not None
        begun = None if start is None else read_lens(start, engine.lens.parts)
        with Bars("KL") as progress:
            sources = Sources(loaded, prompts, question, include_path)
            plan = LearningPlan(
                kind.value,
                Recipe(steps, optimizer.value, rate),
                batch_size,
                max_new_tokens,
                precision.value,
                seed,
            )
            found = learn_lens(
                engine,
                sources.data(data, share, held_out, progress),
                plan,
                out,
                model_name=model,
                start=begun,
                progress=progress,
            )
        layers = range(engine.lens.parts.n_layers + 1)
    _show(found)
    _conclude(kind.value, out, found, layers)


def _show(found: HeldOut) -> None:
    table = Table(title=f"KL from the last layer in nats, held-out: {found.data}", title_justify="left")
    table.add_column("layer")
    for kind, own in found.by_kind.items():
        table.add_column(f"{kind} ({own.positions})")
        table.add_column("logit lens")
    for place, layer in enumerate(found.layers):
        cells = [f"{value:.3f}" for own in found.by_kind.values() for value in (own.lens[place], own.logit[place])]
        table.add_row(str(layer), *cells)
    Console().print(table)


def _conclude(kind: str, out: Path, found: HeldOut, layers: range) -> None:
    from lens_models.lenses import ANSWER, problem_of

    problem = problem_of(found, ANSWER, layers[1:])
    typer.echo(f"Written: {out}; read with it by lens_kind={kind}:{out}")
    if problem is not None:
        typer.echo(f"It is refused for claims: {problem}. lens_allow_worse=True reads with it all the same.")
