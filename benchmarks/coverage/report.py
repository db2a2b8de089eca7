"""docs/coverage.json and docs/coverage.md."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers

from .examine import TOLERANCE, Outcome

__all__ = ["write_report"]

_INTRO = """# Architectures that the lens reads

Every model type that transformers {transformers} maps to `AutoModelForImageTextToText`, as a tiny random model (biases
and norm weights random, so that a norm or a factor left out shows), float32, on an input with an image that changes
the logits. `exact` means: at the last layer, at every middle layer and at every step of a generation the readout is
what the model itself computes, within {tolerance:g} of the logit range. For a middle layer the model itself runs with
all later blocks passing on what they receive. `refused` means that the lens says it cannot read the model;
`unbuildable` that no tiny model or no input could be made here, so nothing is known. Written by
`python -m benchmarks.coverage` (torch {torch}).

{counts}

| model type | class | result | deviation | layers | final norm | head | after the head |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


def write_report(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write both files into `folder`."""
    outcomes = sorted(outcomes, key=lambda outcome: outcome.model_type)
    rows = [
        {
            "model_type": o.model_type,
            "class": o.model_class,
            "result": o.result,
            "deviation": o.deviation,
            "reason": o.reason,
            "layers": o.layers,
            "norm": o.norm,
            "head": o.head,
            "transform": o.transform,
        }
        for o in outcomes
    ]
    (folder / "coverage.json").write_text(json.dumps(rows, indent=1) + "\n")
    (folder / "coverage.md").write_text(_page(outcomes))


def _page(outcomes: Sequence[Outcome]) -> str:
    counted = Counter(outcome.result for outcome in outcomes)
    counts = ", ".join(f"{counted[kind]} {kind}" for kind in ("exact", "refused", "unbuildable"))
    page = _INTRO.format(
        transformers=transformers.__version__,
        torch=torch.__version__.partition("+")[0],
        tolerance=TOLERANCE,
        counts=f"Of {len(outcomes)}: {counts}.",
    )
    for o in outcomes:
        deviation = "" if o.deviation is None else f"{o.deviation:.1e}"
        cells = (o.model_type, o.model_class, o.result, deviation, o.layers, o.norm, o.head, o.transform)
        page += "| " + " | ".join(cells) + " |\n"
    page += "\n## Reasons\n\n"
    for o in outcomes:
        if o.reason:
            page += f"- **{o.model_type}** ({o.result}): {o.reason}\n"
    return page
