"""Directions in the residual stream that lead from one set of prompts to another, for the intervention `steer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from lens_models import CaptureError

from .engine import Engine
from .sample import Request

__all__ = ["directions", "save_directions"]


def directions(
    engine: Engine, first: Sequence[Request], second: Sequence[Request], layers: Sequence[int], batch_size: int
) -> dict[int, Tensor]:
    """Mean residual of the first prompts minus that of the second ones, at the position that predicts the answer.

    Difference of means (Rimsky et al., arXiv:2312.06681, for contrasting prompts); the residual is what a layer hands
    on, before the final norm.

    Args:
        engine: with a lens that reads the layers.
        first: prompts, such as ones that ask to look closely.
        second: others, such as the same ones without that.
        layers: layer numbers from 1 on.
        batch_size: prompts at a time.

    Returns:
        Layer -> fp32 `[d]`.

    Raises:
        CaptureError: a batch was not observed, or a layer is not read by the lens.
        ValueError: a set is empty.
    """
    assert engine.lens is not None
    known = engine.lens.layer_index
    if missing := [layer for layer in layers if layer not in known or layer < 1]:
        raise CaptureError(f"layer {missing[0]} is not read; the lens reads {', '.join(map(str, known))}")
    if not first or not second:
        raise ValueError("a direction leads from one set of prompts to another; found an empty set")
    rows = [known.index(layer) for layer in layers]
    means = [_mean(engine, each, rows, batch_size) for each in (first, second)]
    return dict(zip(layers, means[0] - means[1], strict=True))


def save_directions(found: Mapping[int, Tensor], file: str | Path) -> Path:
    """Write directions as `lens_intervene=steer:1:file=...` reads them."""
    path = Path(file).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({f"layer.{layer}": direction.contiguous() for layer, direction in found.items()}, path)
    return path


def _mean(engine: Engine, requests: Sequence[Request], rows: Sequence[int], batch_size: int) -> Tensor:
    """fp32 `[layers, d]`."""
    total: Any = 0.0
    for start in range(0, len(requests), batch_size):
        samples = [request.sample() for request in requests[start : start + batch_size]]
        for generation in engine.generate(samples):
            if generation.trace is None or isinstance(generation.trace, CaptureError):
                raise CaptureError(f"a batch was not observed: {generation.trace or 'the model ran without the lens'}")
            residual: Tensor = generation.trace.residual(generation.row, 0)
            total = total + residual[list(rows)].double().cpu()
    return torch.as_tensor(total / len(requests)).float()
