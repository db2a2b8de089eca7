"""Are the layers that were found all of them, and do they follow one another with nothing in between?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .errors import CaptureError
from .parts import ModelParts
from .probes import Trace

__all__ = ["check_chain", "require_all_layers", "require_captured"]

# the decoder's own count first: in encoder-decoder configurations num_hidden_layers is the encoder's
_LAYER_COUNTS = ("decoder_layers", "num_decoder_layers", "num_hidden_layers")


def require_all_layers(model: nn.Module, parts: ModelParts) -> None:
    """Refuse a list of layers that is shorter than the configuration says; layers without the first ones still chain.

    A list may be longer: layers that only some uses of a model run (multi-token prediction) stand in it too.

    Raises:
        CaptureError: says how many were found and how many there should be.
    """
    get_text = getattr(getattr(model, "config", None), "get_text_config", None)
    if not callable(get_text):
        return
    text = get_text(decoder=True)
    counts = [value for name in _LAYER_COUNTS if isinstance(value := getattr(text, name, None), int)]
    if counts and parts.n_layers < counts[0]:
        raise CaptureError(
            f"{parts.n_layers} layers of {parts.model_class} were found in '{parts.decoder_path}', and its "
            f"configuration has {counts[0]}: layer numbers would be off. docs/adding-a-model.md shows how to name the "
            "list of layers; lens=False runs the model without the lens."
        )


@contextmanager
def check_chain(parts: ModelParts) -> Iterator[dict[int, Tensor]]:
    """For one forward pass inside: each layer must receive, at the last position, what the layer before it gave.

    The identity of the last layer says nothing about the layers before it. A stream that lives elsewhere (layers that
    return a difference, blocks in between that were not found) breaks the chain and is refused, and so are layers that
    do not run in the order of their list. Where blocks are known to stand in between (`parts.interleaved`) nothing is
    compared.

    Yields:
        Layer number -> what the layer gave at the last position, `[rows, d]`; filled by the pass.

    Raises:
        CaptureError: names the first layer that received something else.
    """
    chain = _Chain(parts)
    handles = []
    try:
        for number, layer in enumerate(parts.layers, start=1):
            if not parts.interleaved:
                handles.append(layer.register_forward_pre_hook(chain.before(number), with_kwargs=True))
            handles.append(layer.register_forward_hook(chain.after(number)))
        yield chain.given
    finally:
        for handle in handles:
            handle.remove()


class _Chain:
    """What the layers of one pass gave so far."""

    def __init__(self, parts: ModelParts) -> None:
        self.parts = parts
        self.given: dict[int, Tensor] = {}
        self.last = 0

    def before(self, number: int) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if self.last >= number:
                raise CaptureError(
                    f"{self.parts.model_class} runs layer {number} after layer {self.last}: the layers found in "
                    f"'{self.parts.decoder_path}' do not run once each in their order, so layer numbers would mean "
                    "nothing. The model is refused; lens=False runs it without the lens."
                )
            if self.last in self.given and not _same(_stream(args, kwargs), self.given[self.last]):
                raise CaptureError(
                    f"layer {number} of {self.parts.model_class} does not receive what layer {self.last} gave: the "
                    f"layers found in '{self.parts.decoder_path}' are not the whole residual stream, so readouts of "
                    "the layers before the last would be wrong. The model is refused; lens=False runs it without the "
                    "lens."
                )

        return hook

    def after(self, number: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            hidden = output[0] if isinstance(output, tuple | list) else output
            self.last = number
            if isinstance(hidden, Tensor):
                self.given[number] = hidden[:, -1].clone()

        return hook


def require_captured(parts: ModelParts, trace: Trace, given: Mapping[int, Tensor]) -> None:
    """Refuse a capture that keeps something else than the layers gave, or under another layer's number.

    Args:
        parts: the parts of the model that ran.
        trace: what was kept of one forward pass, at the last position.
        given: what `check_chain` saw; layers that the model skipped are not in it.

    Raises:
        CaptureError: names the first layer.
    """
    for kept, number in zip(trace.steps[0], trace.layer_index, strict=True):
        if number in given and not _same(kept, given[number]):
            raise CaptureError(
                f"what was kept as layer {number} of {parts.model_class} is not what the layer gave: a fault of the "
                "lens, not of the model. The model is refused; lens=False runs it without the lens."
            )


def _stream(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    hidden = args[0] if args else kwargs.get("hidden_states")
    return hidden[:, -1] if isinstance(hidden, Tensor) and hidden.dim() == 3 else None


def _same(received: Tensor | None, given: Tensor) -> bool:
    if received is None or received.shape != given.shape:
        return False
    # NaN is the identity check's to report, with the advice that fits
    return torch.allclose(received.to(given), given, rtol=0.0, atol=0.0, equal_nan=True)
