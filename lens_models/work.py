"""How much a model computes: counted, so that it is the same on every machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .encoded_media import EncodedMedia
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
        pictures: pictures that prompts were about, as the vision encoder is asked for them; None where that is not
            counted.
        pictures_encoded: those of them that it ran for.
    """

    passes: int = 0
    positions: int = 0
    head_products: int = 0
    seconds: float = 0.0
    peak_bytes: int | None = None
    reused: int | None = None
    pictures: int | None = None
    pictures_encoded: int | None = None


@contextmanager
def work_counted(
    parts: ModelParts, work: Work, reading: Unembedding | None = None, media: EncodedMedia | None = None
) -> Iterator[None]:
    """While this lasts, what the model computes is added to `work`.

    Args:
        parts: of the model. Hooks that are registered later may be left out of some passes, these are not: enter this
            before interventions are attached.
        work: what is added to.
        reading: what interventions read layers with.
        media: what counts pictures, of a model whose encoder it knows.
    """
    media = media if media is not None and media.sees_pictures else None

    def through(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hidden: Tensor = args[0] if args else kwargs["hidden_states"]
        work.passes += hidden.shape[0]
        work.positions += hidden.shape[0] * hidden.shape[1]

    def read(module: nn.Module, args: Any, output: Tensor) -> None:
        work.head_products += output.numel() // output.shape[-1]

    seen = (0, 0) if media is None else (media.pictures, media.pictures_encoded)
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
        if media is not None:
            work.pictures = (work.pictures or 0) + media.pictures - seen[0]
            work.pictures_encoded = (work.pictures_encoded or 0) + media.pictures_encoded - seen[1]
        device = next(parts.layers[0].parameters()).device
        if device.type == "cuda":
            work.peak_bytes = torch.cuda.max_memory_allocated(device)
