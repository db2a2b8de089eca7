"""Where the residual stream of a model of vLLM runs: its blocks and its final norm."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from lens_models.errors import PartsError

__all__ = ["WorkerParts", "find_worker_parts"]

_LAYERS = ("layers", "h", "blocks")
_NORMS = ("norm", "final_layernorm", "ln_f", "final_norm", "norm_f")
_TEXT_MODELS = ("model", "transformer", "decoder", "text_model", "language_model")


@dataclass(frozen=True)
class WorkerParts:
    """The parts of a model of vLLM that the lens needs.

    Attributes:
        layers: the decoder blocks, in order.
        norm: the final norm, called with what the last block gave.
        layers_path: name of the list of blocks in the language model.
        norm_path: name of the final norm in it.
        model_class: name of the whole model's class.
    """

    layers: tuple[nn.Module, ...] = field(repr=False)
    norm: nn.Module = field(repr=False)
    layers_path: str
    norm_path: str
    model_class: str


def find_worker_parts(model: Any) -> WorkerParts:
    """The parts of a model as `model_runner.get_model()` gives it.

    Raises:
        PartsError: there is no list of blocks with one norm beside it, or a part of the blocks is on other ranks.
    """
    language = model.get_language_model() if hasattr(model, "get_language_model") else model
    found, path = language, ""
    while not _named(found, _LAYERS):
        name = next((each for each in _TEXT_MODELS if isinstance(getattr(found, each, None), nn.Module)), None)
        if name is None:
            raise PartsError(
                f"{type(model).__name__}: expected a module with a list of blocks ({', '.join(_LAYERS)}) inside "
                f"{type(language).__name__}, found none; the lens does not read this model under vLLM"
            )
        found, path = getattr(found, name), f"{path}{name}."
    layers_name, norm_name = _named(found, _LAYERS), _named(found, _NORMS)
    if norm_name is None:
        raise PartsError(f"{type(model).__name__}: no final norm beside {path}{layers_name} ({', '.join(_NORMS)})")
    layers = tuple(getattr(found, str(layers_name)))
    missing = [number for number, layer in enumerate(layers, 1) if "Missing" in type(layer).__name__]
    if missing:
        raise PartsError(
            f"the blocks {missing[0]} to {missing[-1]} are on other ranks (pipeline parallelism), which the lens does "
            "not read; use tensor_parallel_size alone"
        )
    return WorkerParts(
        layers, getattr(found, norm_name), f"{path}{layers_name}", f"{path}{norm_name}", type(model).__name__
    )


def _named(module: Any, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if isinstance(getattr(module, name, None), nn.Module)), None)
