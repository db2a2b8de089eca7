"""How much a model computes: counted, so that it is the same on every machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .parts import ModelParts
from .unembed import Unembedding

__all__ = ["Work", "work_counted"]


@dataclass
class Work:
    """What a model computed; padding is computed and counted too.

    Attributes:
        passes: forward passes of a row through the decoder: a pass of a batch of 8 is 8.
        positions: positions of all rows that went through the decoder.
        head_products: residual vectors that the output embedding was multiplied with, those of layers included.
        seconds: on this machine.
        peak_bytes: the most memory that torch had taken on the model's GPU so far; None without a GPU.
        reused: positions of prompts that did not go through the decoder, for their keys and values were those of the
            prompt before; None where none is ever reused.
    """

    passes: int = 0
    positions: int = 0
    head_products: int = 0
    seconds: float = 0.0
    peak_bytes: int | None = None
    reused: int | None = None


@contextmanager
def work_counted(parts: ModelParts, work: Work, reading: Unembedding | None = None) -> Iterator[None]:
    """While this lasts, what the model computes is added to `work`.

    Args:
        parts: of the model. Hooks that are registered later may be left out of some passes, these are not: enter this
            before interventions are attached.
        work: what is added to.
        reading: what interventions read layers with.
    """

    def through(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hidden: Tensor = args[0] if args else kwargs["hidden_states"]
        work.passes += hidden.shape[0]
        work.positions += hidden.shape[0] * hidden.shape[1]

    def read(module: nn.Module, args: Any, output: Tensor) -> None:
        work.head_products += output.numel() // output.shape[-1]

    before, start = 0 if reading is None else reading.tally.rows, time.perf_counter()
    handles = [
        parts.layers[0].register_forward_pre_hook(through, with_kwargs=True),
        parts.head.register_forward_hook(read),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        work.seconds += time.perf_counter() - start
        if reading is not None:
            work.head_products += reading.tally.rows - before
        device = next(parts.layers[0].parameters()).device
        if device.type == "cuda":
            work.peak_bytes = torch.cuda.max_memory_allocated(device)
