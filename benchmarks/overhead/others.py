"""What people do today for a readout of each layer, on the same model and inputs.

Each takes the logits of each layer at the answer position and keeps the five most likely tokens and the log-probability
of the answer. None checks itself, computes divergences or ranks, or writes anything.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

import torch
from torch import Tensor, nn

from lens_models import ModelParts

__all__ = ["OTHERS", "NotAvailableError", "transformer_lens"]

Way = Callable[[Any, ModelParts, Mapping[str, Tensor], Mapping[str, Any]], object]


class NotAvailableError(Exception):
    """A library is not installed, or does not load the model; the text says which and why."""


@torch.inference_mode()
def hidden_states_every_position(model: Any, parts: ModelParts, inputs: Any, arguments: Any) -> list[Any]:
    """`output_hidden_states=True`, and the head on every position of every layer."""
    output = model.generate(**inputs, **arguments, output_hidden_states=True, return_dict_in_generate=True)
    first = output.hidden_states[0]
    return [_keep(_logits(parts, layer, last=layer is first[-1])[:, -1]) for layer in first[1:]]


@torch.inference_mode()
def hidden_states_answer_position(model: Any, parts: ModelParts, inputs: Any, arguments: Any) -> list[Any]:
    """`output_hidden_states=True`, and the head on the answer position of every layer."""
    output = model.generate(**inputs, **arguments, output_hidden_states=True, return_dict_in_generate=True)
    first = output.hidden_states[0]
    return [_keep(_logits(parts, layer[:, -1], last=layer is first[-1])) for layer in first[1:]]


@torch.inference_mode()
def hook_and_head_per_layer(model: Any, parts: ModelParts, inputs: Any, arguments: Any) -> list[Any]:
    """A hook on every layer that multiplies its last position with the head, at every step."""
    kept: list[Any] = []

    def hook(module: nn.Module, args: Any, output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        kept.append(_keep(_logits(parts, hidden[:, -1], last=False)))

    handles = [layer.register_forward_hook(hook) for layer in parts.layers]
    try:
        model.generate(**inputs, **arguments)
    finally:
        for handle in handles:
            handle.remove()
    return kept


@torch.inference_mode()
def nnsight(model: Any, parts: ModelParts, inputs: Any, arguments: Any) -> list[Any]:
    """nnsight: a trace of one forward pass that saves the layers' outputs, then the head on the answer position."""
    library = _import("nnsight")
    wrapped = library.NNsight(model)
    envoys = wrapped
    for name in parts.decoder_path.split("."):
        envoys = getattr(envoys, name)
    saved = []
    with wrapped.trace(**inputs):
        for layer in envoys:
            saved.append(layer.output.save())
    model.generate(**inputs, **arguments)
    hidden = [each[0] if isinstance(each, tuple) else each for each in saved]
    return [_keep(_logits(parts, each[:, -1], last=False)) for each in hidden]


def transformer_lens(model: Any) -> None:
    """TransformerLens wraps models of the architectures that it lists; those of the shapes are none of them.

    Raises:
        NotAvailableError: always, with the reason: not installed, not listed, or nothing written here to time it.
    """
    known = _import("transformer_lens.factories.architecture_adapter_factory").SUPPORTED_ARCHITECTURES
    name = type(model).__name__
    if name in known:
        raise NotAvailableError(f"TransformerLens knows {name}, but nothing is written here to time it")
    raise NotAvailableError(f"TransformerLens {metadata.version('transformer-lens')} does not know {name}")


OTHERS: dict[str, Way] = {
    "output_hidden_states, head everywhere": hidden_states_every_position,
    "output_hidden_states, head at the answer": hidden_states_answer_position,
    "hook and head per layer": hook_and_head_per_layer,
}
"""The ways that need no other library."""


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotAvailableError(f"{name.partition('.')[0]} is not installed") from error


def _logits(parts: ModelParts, hidden: Tensor, *, last: bool) -> Tensor:
    # transformers norms the last entry of hidden_states already
    return parts.head(hidden if last or parts.norm is None else parts.norm(hidden))  # type: ignore[no-any-return]


def _keep(logits: Tensor) -> tuple[Tensor, Tensor]:
    logp = torch.log_softmax(logits.float(), dim=-1)
    return torch.topk(logp, 5), logp[:, 11].cpu()
