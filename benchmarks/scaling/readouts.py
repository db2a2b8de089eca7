"""Layers and vocabulary against the time of one readout."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.measure import alternate
from lens_models import ModelParts, ReadoutRow, Unembedding, read_layers

__all__ = ["time_readouts"]


def time_readouts(
    layers: Sequence[int],
    vocabularies: Sequence[int],
    device: torch.device,
    clock: Callable[[], float],
    *,
    width: int = 1536,
    rounds: int = 5,
) -> list[dict[str, Any]]:
    """One row a combination: milliseconds of the readout of one sample, and of one sample in a batch of eight."""
    rows = []
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    for vocabulary in vocabularies:
        head = nn.Linear(width, vocabulary, bias=False, device=device, dtype=dtype)
        norm = nn.RMSNorm(width, device=device, dtype=dtype)
        for count in layers:
            parts = ModelParts("Stub", (nn.Identity(),) * count, norm, head, "", "", "", width, vocabulary)
            rows.append(_row(Unembedding(parts), count, vocabulary, device, dtype, rounds, clock))
    return rows


def _row(
    unembed: Unembedding,
    layers: int,
    vocabulary: int,
    device: torch.device,
    dtype: torch.dtype,
    rounds: int,
    clock: Callable[[], float],
) -> dict[str, Any]:
    asked = [
        ReadoutRow(
            torch.randn(layers, unembed.parts.hidden_size, device=device, dtype=dtype), 3, ((4, 5), (6, 7)), (4,)
        )
        for _ in range(8)
    ]
    ways = {"one": lambda: read_layers(unembed, asked[:1]), "eight": lambda: read_layers(unembed, asked)}
    wait = functools.partial(torch.cuda.synchronize, device) if device.type == "cuda" else (lambda: None)
    timings = alternate(ways, rounds, wait=wait, clock=clock)
    return {
        "layers": layers,
        "vocabulary": vocabulary,
        "hidden": unembed.parts.hidden_size,
        "ms_alone": 1000 * timings.of("one").median,
        "ms_in_eight": 1000 * timings.of("eight").median / 8,
    }
