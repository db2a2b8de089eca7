"""Watch the calls of attention functions of a model's decoder layers, whatever implementation they use."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from transformers.modeling_utils import AttentionInterface

from lens_models.parts import ModelParts

__all__ = ["AttentionCall", "attention_observed"]

_ENTRANCE = "get_interface" if hasattr(AttentionInterface, "get_interface") else "__getitem__"
"""The method by which modules get their attention function: transformers 5, and 4."""


_NAMES = ("query", "key", "value", "attention_mask")


@dataclass(frozen=True)
class AttentionCall:
    """One call of an attention function.

    Attributes:
        layer: number of the decoder block, from 1.
        module: the attention module.
        query: `[rows, heads, positions, d]`, rotated, normalised and scaled as the function is given it.
        key: `[rows, key heads, context, d]`, those of the cache included.
        value: `[rows, key heads, context, d_v]`.
        mask: as the function is given it.
        settings: further arguments: scaling, softcap, sliding_window, s_aux, ...
        output: `[rows, positions, heads, d_v]`, what the function returned.
        eager: the model's own plain implementation; None where it is not known (transformers 4).
    """

    layer: int
    module: nn.Module = field(repr=False)
    query: Tensor = field(repr=False)
    key: Tensor = field(repr=False)
    value: Tensor = field(repr=False)
    mask: Any = field(repr=False)
    settings: Mapping[str, Any] = field(repr=False)
    output: Tensor = field(repr=False)
    eager: Callable[..., Any] | None = field(default=None, repr=False)


@contextmanager
def attention_observed(parts: ModelParts, see: Callable[[AttentionCall], object]) -> Iterator[None]:
    """While this lasts, `see` hears of each call of an attention function by a module of the decoder's blocks.

    Modules ask `transformers.AttentionInterface` for their function at each forward pass; what it gives is called with
    the same arguments and its result passed on. Other threads, and other models in this one, are not looked at. What
    `see` raises goes to the model's caller.
    """
    layer_of = {id(module): number for number, layer in enumerate(parts.layers, 1) for module in layer.modules()}
    own, thread = getattr(AttentionInterface, _ENTRANCE), threading.get_ident()

    @functools.wraps(own)
    def entrance(self: Any, implementation: Any, *default: Any) -> Any:
        function = own(self, implementation, *default)
        if not callable(function) or threading.get_ident() != thread:
            return function

        @functools.wraps(function)
        def observed(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            found = function(module, *args, **kwargs)
            layer = layer_of.get(id(module))
            if layer is not None:
                output = found[0] if isinstance(found, tuple) else found
                see(_call(layer, module, args, kwargs, output, default[0] if default else None))
            return found

        return observed

    setattr(AttentionInterface, _ENTRANCE, entrance)
    try:
        yield
    finally:
        setattr(AttentionInterface, _ENTRANCE, own)


def _call(
    layer: int, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Tensor, eager: Any
) -> AttentionCall:
    """Queries, keys, values and mask by place or by name, as the model gives them."""
    given = {**dict(zip(_NAMES, args, strict=False)), **kwargs}
    query, key, value = (given.pop(name) for name in _NAMES[:3])
    mask = next((given.pop(name) for name in ("attention_mask", "mask") if name in given), None)
    return AttentionCall(layer, module, query, key, value, mask, given, output, eager)
