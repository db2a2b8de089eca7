"""`mmlens patch MODEL --data DATA`: at which layers is the answer, causally, and where do lenses read it?"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from harness_ext.cli.failures import exit_on
from harness_ext.cli.model_options import (
    Device,
    DeviceMap,
    Dtype,
    IncludePath,
    Model,
    Prompts,
    Revision,
    TrustRemoteCode,
)

if TYPE_CHECKING:
    from lens_engine.patching import Patched
    from lens_report.stats import Estimate

__all__ = ["patch"]

log = logging.getLogger(__name__)


def patch(
    model: Model,
    data: Annotated[
        str,
        typer.Option(help="A folder of pictures (questions.jsonl beside them), such a file, or a task of lmms-eval."),
    ],
    lens: Annotated[
        list[str] | None, typer.Option(help="As lens_kind: logit, tuned, tuned:FOLDER, ...; may be repeated.")
    ] = None,
    prompts: Prompts = 200,
    question: Annotated[str | None, typer.Option(help="Asked about pictures without a question of their own.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Prompts at a time.")] = 8,
    include_path: IncludePath = None,
    dtype: Dtype = "auto",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Ask each question about its own picture and another one; where the first tokens differ, put the second run's
    residual at the answer position into the first run, layer by layer, and see whether the answer moves.

    Beside it: whether each lens reads the answer of each run above the other one at that layer, and how far the layer
    from which it does so to the end is from the one from which patching moves the answer.
    """
    from harness_ext.lens_data import QUESTION, lens_requests
    from harness_ext.model_check import TaskError
    from lens_engine.opening import reading_engine
    from lens_engine.patching import patch_pairs
    from lens_models import LensError, LensSettings, load_model
    from lens_models.lenses import ANSWER, claims_refused, make_lens

    names = lens or ["logit"]
    with exit_on(LensError, TaskError, OSError):
        asked = [LensSettings(lens=name).lens for name in names]
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
        lenses = {name: make_lens(name, engine.lens.parts) for name in asked}
        for name, each in lenses.items():
            if problem := claims_refused(each, ANSWER, range(1, engine.lens.parts.n_layers + 1)):
                typer.echo(f"{name} is refused for claims: {problem}. What it reads is shown all the same.")
        requests, words = lens_requests(data, loaded, prompts, question=question or QUESTION, include_path=include_path)
        found = patch_pairs(engine, [request.sample() for request in requests], lenses, batch_size)
    typer.echo(f"{words}: {found.n_asked} questions about two pictures, {len(found.clusters)} with two answers")
    if found.clusters:
        Console().print(_by_layer(found))
        Console().print(_depths(found))


def _by_layer(found: Patched) -> Table:
    from lens_report.stats import score_interval

    table = Table(title="Share of the pairs, with 95 % intervals by picture", title_justify="left")
    for name in ("layer", "answer moved", "log-odds restored", *(f"read by {name}" for name in found.read)):
        table.add_column(name)
    for place in range(found.moved.shape[1]):
        columns: list[Any] = [found.moved, found.restored, *found.read.values()]
        cells = [_shown(score_interval(each[:, place].astype(float), found.clusters)) for each in columns]
        table.add_row(str(place + 1), *cells)
    return table


def _depths(found: Patched) -> Table:
    from lens_engine.patching import depths
    from lens_report.stats import score_interval

    table = Table(title="First layer from which it holds to the end, mean over pairs", title_justify="left")
    for name in ("", "layer", "minus the one by patching", "at most one layer apart"):
        table.add_column(name)
    causal = depths(found.moved)
    table.add_row("answer moved by patching", _shown(score_interval(causal, found.clusters)), "", "")
    for name, read in found.read.items():
        own = depths(read)
        apart = own - causal
        near = [abs(each) <= 1 if each == each else each for each in apart]
        cells = [_shown(score_interval(each, found.clusters)) for each in (own, apart, [float(each) for each in near])]
        table.add_row(f"read by {name}", *cells)
    return table


def _shown(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
