"""Options of the commands that load a model, and of those that are given data to look at."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Device",
    "DeviceMap",
    "Dtype",
    "IncludePath",
    "MeasuredOn",
    "Model",
    "Precision",
    "Prompts",
    "Revision",
    "TrustRemoteCode",
]

Model = Annotated[str, typer.Argument(help="A folder, a repository name, or lens_tiny.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...; chosen by itself.")]
DeviceMap = Annotated[str | None, typer.Option(help="auto spreads a large model over GPUs.")]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a repository.")]
TrustRemoteCode = Annotated[bool, typer.Option(help="Run code that comes with the checkpoint.")]
IncludePath = Annotated[Path | None, typer.Option(help="A folder of task YAMLs, as for lmms-eval.")]
Prompts = Annotated[int, typer.Option(min=0, help="Prompts taken from the data, evenly; 0 takes all.")]
MeasuredOn = Annotated[
    str, typer.Option(help="Share of the pictures that it is measured on, or data of its own as for --data.")
]


class Precision(str, Enum):
    """In which the numbers of what is learnt are kept."""

    float16 = "float16"
    float32 = "float32"
