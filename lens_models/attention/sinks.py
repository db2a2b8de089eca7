"""Which image tokens are attention sinks: massive activations in the dimensions in which the first token has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lens_models.image_tokens import ImageTokens
from lens_models.parts import ModelParts

__all__ = ["MASSIVE", "MASSIVE_OVER_MEDIAN", "TAU", "SinkWatch", "Sinks", "massive_dimensions", "outlying_dimensions"]

TAU = 20.0
"""A dimension outlies in a state from so many times the state's root mean square on (Kang et al., arXiv:2503.03321)."""
MASSIVE, MASSIVE_OVER_MEDIAN = 100.0, 1000.0
"""An activation is massive above so much and from so many times the median magnitude of its state on (Sun et al.,
arXiv:2402.17762)."""


@dataclass(frozen=True)
class Sinks:
    """The sinks among the image tokens of one sample.

    Attributes:
        found: `[blocks, image tokens]`: whether a token is a sink as it enters a block; None where undetermined.
        status: "ok", or one word and after a colon why there are no sinks or why they are undetermined.
    """

    found: npt.NDArray[np.bool_] | None = field(repr=False)
    status: str


def massive_dimensions(states: Tensor) -> Tensor:
    """`[..., d]`, bool: where states `[..., d]` have a massive activation."""
    size = states.float().abs()
    return (size > MASSIVE) & (size >= MASSIVE_OVER_MEDIAN * size.median(-1, keepdim=True).values)


def outlying_dimensions(states: Tensor) -> tuple[Tensor, Tensor]:
    """The dimensions in which states are `TAU` times their root mean square or more.

    The squares of a state add up to d times its mean square, so these are at most d / TAU^2.

    Args:
        states: `[tokens, d]`.

    Returns:
        Dimensions `[tokens, d // TAU^2]`, int64, of the largest magnitude first, and whether each one outlies, bool.
    """
    size = states.float().abs()
    top = size.topk(int(states.shape[-1] / TAU**2), dim=-1)
    return top.indices, top.values >= TAU * size.square().mean(-1, keepdim=True).sqrt()


class SinkWatch:
    """Looks at what enters the decoder blocks in a prefill.

    By the published criterion an image token is a sink at a block where its state, entering it, outlies (`TAU`) in one
    of the model's sink dimensions. Those are known for few models; here they are the dimensions in which the first
    token of the prompt, the strongest sink of language models, has a massive activation at any block. A state narrower
    than TAU^2 = 400 numbers cannot outlie, and a prompt that begins with an image has no such first token: then sinks
    are undetermined.

    Args:
        tokens: image tokens of each row.
        inputs: what the model will run on; its attention mask says where each row begins.
    """

    def __init__(self, tokens: Sequence[ImageTokens], inputs: Mapping[str, Any]) -> None:
        self._tokens = tokens
        mask = inputs.get("attention_mask")
        self._mask = mask if isinstance(mask, Tensor) and mask.dim() == 2 else None
        self._done = False
        self._width = 0
        self._problem: str | None = None
        self._massive: dict[int, Tensor] = {}  # block -> [samples, d]
        self._outlying: dict[int, tuple[Tensor, Tensor]] = {}  # block -> of the image tokens of all samples
        self._places: tuple[Tensor, Tensor, Tensor, Tensor] | None = None

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        """Hook what enters each block."""
        with ExitStack() as stack:
            for block, layer in enumerate(parts.layers, 1):
                stack.callback(layer.register_forward_pre_hook(self._before(block), with_kwargs=True).remove)
            yield

    def end_of_pass(self) -> None:
        """Only the first pass is looked at."""
        self._done = True

    def _before(self, block: int) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            states = args[0] if args else kwargs.get("hidden_states")
            if self._done or block in self._massive or not isinstance(states, Tensor) or states.dim() != 3:
                return
            self._width = states.shape[-1]
            if self._width >= TAU**2 and any(len(own) for own in self._tokens):
                first_rows, first, rows, positions = (place.to(states.device) for place in self._where(states))
                self._massive[block] = massive_dimensions(states[first_rows, first])
                self._outlying[block] = outlying_dimensions(states[rows, positions])

        return hook

    def _where(self, states: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows and positions of the first tokens of all samples and of their image tokens; of beams the first row."""
        if self._places is None:
            samples = len(self._tokens)
            own = torch.arange(samples) * (states.shape[0] // samples)
            first = torch.zeros(samples, dtype=torch.int64)
            if self._mask is not None and self._mask.shape[1] == states.shape[1]:
                first = self._mask.cpu().long().argmax(-1)
            elif self._mask is not None and not bool(self._mask.all()):
                self._problem = "where each row begins is not known"
            positions = torch.from_numpy(np.concatenate([each.positions for each in self._tokens]))
            rows = torch.repeat_interleave(own, torch.tensor([len(each) for each in self._tokens]))
            self._places = own, first, rows, positions
        return self._places

    def sinks(self, sample: int) -> Sinks:
        """Those of one sample, of the blocks that ran, in order."""
        tokens = self._tokens[sample]
        if 0 < self._width < TAU**2:
            return Sinks(None, f"undetermined: no value of {self._width} can be {TAU:.0f} times their root mean square")
        if self._places is None or self._problem:
            return Sinks(None, f"undetermined: {self._problem or 'no states were seen'}")
        if int(self._places[1][sample]) in tokens.positions:
            return Sinks(None, "undetermined: the prompt begins with an image token")
        blocks = sorted(self._massive)
        dimensions = torch.stack([self._massive[block][sample].cpu() for block in blocks]).any(0)
        start = sum(len(own) for own in self._tokens[:sample])
        found = []
        for block in blocks:
            outlying, which = (each[start : start + len(tokens)].cpu() for each in self._outlying[block])
            found.append((dimensions[outlying] & which).any(-1).numpy())
        status = "ok" if dimensions.any() else "no_massive_activation: of the first token, so no image token is a sink"
        return Sinks(np.stack(found), status)

    @property
    def blocks(self) -> list[int]:
        """The blocks that ran, in order, from 1."""
        return sorted(self._massive)
