"""`mmlens train-selector MODEL --data DATA --out DIR`: which image tokens a question, or a written step, is about."""

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
    from lens_engine.selector_quality import SelectorQuality

__all__ = ["train_selector"]

log = logging.getLogger(__name__)

_DEPTH = 0.6


class Objective(str, Enum):
    """What a selector learns from."""

    boxes = "boxes"
    drops = "drops"


class At(str, Enum):
    """Which positions a selector reads."""

    answer = "answer"
    steps = "steps"


_STEPS = {At.answer: 300, At.steps: 1500}
"""Training steps where none are named: written steps are more than answers, and each is read less often."""


def train_selector(
    model: Model,
    data: Annotated[
        str,
        typer.Option(
            help="A folder of pictures with questions.jsonl, such a file, or a task of lmms-eval; with boxes of what "
            "is asked about for --objective boxes."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the selector; a run that was stopped goes on there.")],
    objective: Annotated[
        Objective,
        typer.Option(
            help="What it learns to find: what lies in boxes, or what the model's own answer depends on, by the drops "
            "of its log-probability when parts of the picture are painted over."
        ),
    ] = Objective.boxes,
    at: Annotated[
        At,
        typer.Option(
            help="What it reads: the position that predicts the answer, or the last token of each step that the model "
            "writes; then the data has the boxes and the steps of a program (docs/reasoning.md)."
        ),
    ] = At.answer,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Of a response, for --at steps.")] = 256,
    windows: Annotated[int, typer.Option(min=1, help="Parts of each picture that are painted over, for drops.")] = 16,
    window: Annotated[
        float, typer.Option(min=0, max=1, help="Side of such a part, as a share of the picture's sides.")
    ] = 0.25,
    layer: Annotated[
        int | None, typer.Option(min=1, help="Whose residuals it reads; by itself the one at 0.6 of the depth.")
    ] = None,
    rank: Annotated[int, typer.Option(min=1, help="Rows of its two matrices.")] = 64,
    prompts: Prompts = 2000,
    held_out: MeasuredOn = "0.2",
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps; 300, for --at steps 1500.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Prompts a step, and a pass of the model.")] = 16,
    rate: Annotated[float, typer.Option(min=0, help="Of Adam, at the start.")] = 3e-3,
    precision: Annotated[Precision, typer.Option(help="In which it is kept and measured.")] = Precision.float16,
    seed: Annotated[int, typer.Option(help="Of its first values and of the order of the prompts.")] = 0,
    include_path: IncludePath = None,
    dtype: Dtype = "auto",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Learn a selector of image tokens of MODEL, and measure it on pictures that it was not learnt on.

    The model is not changed, and right answers are not looked at.

    Exit code: 0 when the selector was written; 1 when the model or the data cannot be read; 2 for wrong options.
    """
    from harness_ext.model_check import TaskError
    from lens_engine.opening import reading_engine
    from lens_engine.selector_learning import SelectorPlan, learn_selector
    from lens_engine.selector_steps import StepEnds
    from lens_engine.selector_targets import BoxTargets, DropTargets
    from lens_models import LensError, load_model
    from lens_models.probes import StepRegions
    from lens_models.selection import SelectorRecipe

    if at is At.steps and objective is not Objective.boxes:
        raise typer.BadParameter("written steps are learnt from their boxes alone", param_hint="--objective")
    share = share_of(held_out)
    with exit_on(LensError, TaskError, OSError):
        loaded = load_model(
            model,
            dtype=dtype,
            device=device,
            device_map=device_map,
            revision=revision,
            trust_remote_code=trust_remote_code,
        )
        engine = reading_engine(loaded, log, (StepRegions.name,) if at is At.steps else ())
        assert engine.lens is not None
        chosen = layer or max(1, round(_DEPTH * engine.lens.parts.n_layers))
        with Bars("loss") as progress:
            found = learn_selector(
                engine,
                Sources(loaded, prompts, None, include_path).data(data, share, held_out, progress),
                SelectorPlan(
                    SelectorRecipe(chosen, rank, steps or _STEPS[at], rate, seed=seed),
                    batch_size,
                    precision.value,
                    seed,
                    BoxTargets() if objective is Objective.boxes else DropTargets(windows, window, at_once=batch_size),
                    StepEnds(max_new_tokens) if at is At.steps else None,
                ),
                out,
                model_name=model,
                progress=progress,
            )
    _show(found, chosen, "prompts" if at is At.answer else "written steps")
    typer.echo(f"Written: {out}")


def _show(found: SelectorQuality, layer: int, of_what: str) -> None:
    title = f"Layer {layer}, {found.prompts} {of_what} of {found.clusters} pictures: {found.data}"
    table = Table(title=title, title_justify="left")
    for name in ("map", *found.own):
        table.add_column(name)
    rows = {
        "selector": found.own,
        "of another picture": found.other_picture,
        "attention at the step's end": found.attention,
        "selector, of steps with others elsewhere": found.beside_others,
        "the same in the boxes of these others": found.other_steps,
    }
    for name, figures in rows.items():
        if not figures:
            continue
        table.add_row(name, *(f"{figures[each]:.3f}" if each in figures else "" for each in found.own))
    Console().print(table)
    if found.left_out:
        typer.echo("Left out: " + "; ".join(f"{why}: {count}" for why, count in found.left_out.items()))
