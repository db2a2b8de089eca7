"""Run probes beside a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from lens_models.parts import ModelParts

from .protocol import Probe, Step

__all__ = ["observed"]


@contextmanager
def observed(parts: ModelParts, probes: Sequence[Probe]) -> Iterator[None]:
    """While this lasts, the probes observe every forward pass of the model; all hooks go, whatever happens.

    Args:
        parts: the parts of the model that will run.
        probes: hear of each pass in this order.
    """
    passes = 0

    def after_head(module: nn.Module, args: Any, output: Tensor) -> None:
        nonlocal passes
        step = Step(passes, output)
        passes += 1
        for probe in probes:
            probe.on_step(step)

    with ExitStack() as stack:
        for probe in probes:
            stack.enter_context(probe.attach(parts))
        stack.callback(parts.head.register_forward_hook(after_head).remove)
        yield
