"""`mmlens check MODEL`: what the lens found in a model, and whether it reads it exactly."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from harness_ext.cli.failures import told

__all__ = ["check"]


def check(
    model: Annotated[str, typer.Argument(help="A model folder, a repository name, or lens_tiny.")] = "lens_tiny",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...; chosen by itself.")] = None,
    device_map: Annotated[str | None, typer.Option(help="auto spreads a large model over GPUs.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a repository.")] = None,
    trust_remote_code: Annotated[bool, typer.Option(help="Run code that comes with the checkpoint.")] = False,
) -> None:
    """Load MODEL, say which layers, norm and head were found, and prove the readout of the last layer.

    Leaves with code 0 when the lens reads the model exactly, with 1 when it cannot be loaded or is refused.
    """
    from lens_models import LensError, LogitLens, load_model, probe_inputs

    with told(LensError):
        loaded = load_model(
            model,
            dtype=dtype,
            device=device,
            device_map=device_map,
            revision=revision,
            trust_remote_code=trust_remote_code,
        )
        probe = probe_inputs(loaded.processor).to(loaded.model.device, loaded.model.dtype)
        lens = LogitLens(loaded.model, probe)
    table = Table(title=f"{model} is read exactly", show_header=False)
    for name, value in _findings(lens, loaded.model):
        table.add_row(name, value)
    Console().print(table)


def _findings(lens: Any, model: Any) -> list[tuple[str, str]]:
    parts, report = lens.parts, lens.identity
    return [
        ("class", parts.model_class),
        ("layers", f"{parts.n_layers} in {parts.decoder_path}"),
        ("final norm", str(parts.norm_path)),
        ("head", f"{parts.head_path} ({parts.hidden_size} -> {parts.vocab_size})"),
        ("after the head", report.transform),
        ("dtype, device", f"{str(model.dtype).removeprefix('torch.')}, {model.device}"),
        ("identity", f"off by {report.deviation:.1e} of the logit range (allowed {report.tolerance:.1e})"),
        ("first choice", "agrees" if report.argmax_agrees else "differs"),
    ]
