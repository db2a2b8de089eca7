"""Do the layers that were found follow one another, with nothing in between?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .errors import CaptureError
from .parts import ModelParts

__all__ = ["check_chain"]


@contextmanager
def check_chain(parts: ModelParts) -> Iterator[None]:
    """For the forward passes inside: each layer must receive, at the last position, what the layer before it gave.

    The identity of the last layer says nothing about the layers before it. A stream that lives elsewhere (layers that
    return a difference, blocks in between that were not found) breaks the chain and is refused.

    Raises:
        CaptureError: names the first layer that received something else.
    """
    if parts.interleaved:
        yield
        return
    previous: list[tuple[int, Tensor]] = []
    handles = []

    def before(number: int) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            hidden = _stream(args, kwargs)
            if previous and previous[-1][0] < number and not _same(hidden, previous[-1][1]):
                raise CaptureError(
                    f"layer {number} of {parts.model_class} does not receive what layer {previous[-1][0]} gave: the "
                    f"layers found in '{parts.decoder_path}' are not the whole residual stream, so readouts of the "
                    "layers before the last would be wrong. The model is refused; lens=False runs it without the lens."
                )

        return hook

    def after(number: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            hidden = output[0] if isinstance(output, tuple | list) else output
            if isinstance(hidden, Tensor):
                previous[:] = [(number, hidden[:, -1].clone())]

        return hook

    try:
        for number, layer in enumerate(parts.layers, start=1):
            handles.append(layer.register_forward_pre_hook(before(number), with_kwargs=True))
            handles.append(layer.register_forward_hook(after(number)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _stream(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    hidden = args[0] if args else kwargs.get("hidden_states")
    return hidden[:, -1] if isinstance(hidden, Tensor) and hidden.dim() == 3 else None


def _same(received: Tensor | None, given: Tensor) -> bool:
    if received is None or received.shape != given.shape:
        return False
    # NaN is the identity check's to report, with the advice that fits
    return torch.allclose(received.to(given), given, rtol=0.0, atol=0.0, equal_nan=True)
