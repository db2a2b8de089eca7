"""Find the parts of a loaded model that the lens needs: decoder layers, final norm, output embedding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from .architectures import REFUSED, LayoutRule, layout_rule
from .errors import PartsError
from .peft_adapters import model_itself

__all__ = ["ModelParts", "find_parts"]

_DECODER_PATHS = (
    "model.language_model",
    "model.text_model",
    "language_model.model",
    "language_model",
    "text_model.model",
    "model.decoder",
    "decoder",
    "model",
)
_LAYER_NAMES = ("layers", "h", "blocks", "block", "layer")
_NESTED_NAMES = ("model", "decoder", "transformer", "bert", "roberta", "encoder")
_NORM_NAMES = (
    "norm",
    "final_layernorm",
    "final_layer_norm",
    "ln_f",
    "norm_f",
    "final_norm",
    "layer_norm",
    "embedding_norm",
)


@dataclass(frozen=True)
class ModelParts:
    """Where the residual stream of a model is, and how the model itself turns it into logits.

    `layers[i]` is decoder block i + 1; its output is the residual stream at layer index i + 1, before the final norm.
    `norm` is None for decoders without a final norm. Paths are dotted names inside the model, for messages and records.
    `interleaved` says that other blocks are known to change the stream between the layers. `model` is the whole model.
    """

    model_class: str
    layers: tuple[nn.Module, ...]
    norm: nn.Module | None
    head: nn.Module
    decoder_path: str
    norm_path: str | None
    head_path: str
    hidden_size: int
    vocab_size: int
    interleaved: bool = False
    model: Any = field(default=None, repr=False, compare=False)

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks L; the layer index runs from 1 to L."""
        return len(self.layers)

    @property
    def checkpoint(self) -> str:
        """The folder or repository that the model was loaded from; its class where that is not known."""
        return str(getattr(self.model, "name_or_path", "")) or self.model_class

    def describe(self) -> str:
        """One line for messages: what was found where."""
        return (
            f"{self.model_class}: {self.n_layers} layers in '{self.decoder_path}', "
            f"final norm '{self.norm_path}', head '{self.head_path}' ({self.hidden_size} -> {self.vocab_size})"
        )


def find_parts(model: nn.Module) -> ModelParts:
    """Find layers, norm and head: transformers' accessors first, then a table of known layouts.

    What is found is a proposal; `lens_models.identity` proves or refutes it.

    Raises:
        PartsError: a part is missing, or the architecture is known to carry no plain residual stream.
    """
    cls = _class_name(model)
    config = getattr(model, "config", None)
    model_type = getattr(config, "model_type", "")
    if model_type in REFUSED:
        raise PartsError(f"{cls} cannot be read: {REFUSED[model_type]}")
    rule = layout_rule(model_type) or LayoutRule()
    names = {id(module): name for name, module in model.named_modules()}
    layers = _named(model, rule.layers, cls) if rule.layers else _find_layers(model)
    decoder_path = names.get(id(layers), "")
    decoder = model.get_submodule(decoder_path.rpartition(".")[0])
    head = _named(model, rule.head, cls) if rule.head else _find_head(model, decoder, cls)
    head_path = names.get(id(head), type(head).__name__)
    if rule.norm is None:
        norm = _find_norm(model, decoder, head_path)
    else:
        norm = _named(model, rule.norm, cls) if rule.norm else None
    return ModelParts(
        model_class=cls,
        layers=tuple(layers.children()),
        norm=norm,
        head=head,
        decoder_path=decoder_path,
        norm_path=names.get(id(norm)),
        head_path=head_path,
        hidden_size=_width(head, 1, "in_features"),
        vocab_size=_width(head, 0, "out_features"),
        interleaved=rule.interleaved,
        model=model,
    )


def _class_name(model: nn.Module) -> str:
    """The class of the model, also when a PEFT adapter is around it."""
    return type(model_itself(model)).__name__


def _named(model: nn.Module, path: str, cls: str) -> nn.Module:
    """What a layout rule names."""
    module = _walk(model, path)
    if module is None:
        raise PartsError(f"the layout rule of {cls} names '{path}', which the model does not have")
    return module


def _find_layers(model: nn.Module) -> nn.Module:
    for candidate in _decoder_candidates(model):
        for name in _LAYER_NAMES:
            layers = getattr(candidate, name, None)
            if isinstance(layers, nn.ModuleList) and len(layers) > 0:
                return layers
    raise PartsError(
        f"{type(model).__name__}: no decoder with a list of layers was found. Looked at get_decoder() and at "
        f"{', '.join(_DECODER_PATHS)}. To teach the lens this architecture see docs/adding-a-model.md."
    )


def _decoder_candidates(model: nn.Module) -> Iterator[nn.Module]:
    try:
        decoder: Any = model.get_decoder()  # type: ignore[operator]
    except (AttributeError, NotImplementedError, TypeError):
        decoder = None
    if isinstance(decoder, nn.Module) and decoder is not model:
        yield from _inside(decoder)
    for path in _DECODER_PATHS:
        module = _walk(model, path)
        if module is not None:
            yield module


def _inside(decoder: nn.Module) -> Iterator[nn.Module]:
    """A decoder and what it wraps: a text model with its own head (BLIP-2 style) keeps the layers further down."""
    yield decoder
    for name in _NESTED_NAMES:
        nested = getattr(decoder, name, None)
        if isinstance(nested, nn.Module):
            yield from _inside(nested)


def _walk(model: nn.Module, path: str) -> nn.Module | None:
    module: Any = model
    for name in path.split("."):
        module = getattr(module, name, None)
        if module is None:
            return None
    return module if isinstance(module, nn.Module) else None


def _find_norm(model: nn.Module, decoder: nn.Module, head_path: str) -> nn.Module | None:
    for name in _NORM_NAMES:
        norm = getattr(decoder, name, None)
        if isinstance(norm, nn.Module):
            return norm
    # BERT-like heads: a dense layer with a norm stands beside the output embedding, and the blocks end normed
    return _walk(model, f"{head_path.rpartition('.')[0]}.transform")


def _find_head(model: nn.Module, decoder: nn.Module, cls: str) -> nn.Module:
    for owner in (model, getattr(model, "language_model", None), getattr(model, "text_decoder", None), decoder):
        getter = getattr(owner, "get_output_embeddings", None)
        head = getter() if callable(getter) else None
        if isinstance(head, nn.Module):
            return head
        if isinstance(getattr(owner, "lm_head", None), nn.Module):
            return owner.lm_head  # type: ignore[union-attr,return-value]
    raise PartsError(
        f"{cls}: get_output_embeddings() gave nothing and there is no 'lm_head'; a model without an output embedding "
        "has no logits to read layers with."
    )


def _width(head: nn.Module, axis: int, attribute: str) -> int:
    value = getattr(head, attribute, None)
    if isinstance(value, int):
        return value
    weight = getattr(head, "weight", None)
    if weight is None or weight.dim() != 2:
        raise PartsError(f"the head {type(head).__name__} has neither '{attribute}' nor a two-dimensional weight")
    return int(weight.shape[axis])
