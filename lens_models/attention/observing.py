"""Watch the calls of attention functions of a model's decoder layers, whatever implementation they use."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from transformers.modeling_utils import AttentionInterface

from lens_models.parts import ModelParts
from lens_models.shadowing import shadowed

__all__ = ["AttentionCall", "attention_observed"]

_ENTRANCE = "get_interface" if hasattr(AttentionInterface, "get_interface") else "__getitem__"
"""The method by which modules get their attention function: transformers 5, and 4."""
_EAGER = "eager_attention_forward"
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
        eager: the model's own plain implementation; None where its module has none.
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
    the same arguments and its result passed on. Under transformers 4 the plain ("eager") function is a global of the
    model's own Python module, and is replaced there. Other threads, and other models in this one, are not looked at.
    What `see` raises goes to the model's caller.
    """
    layer_of = {id(module): number for number, layer in enumerate(parts.layers, 1) for module in layer.modules()}
    own, thread = getattr(AttentionInterface, _ENTRANCE), threading.get_ident()
    sources = {sys.modules[type(module).__module__] for layer in parts.layers for module in layer.modules()}
    eager_of = {source.__name__: getattr(source, _EAGER) for source in sources if hasattr(source, _EAGER)}

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def observed(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            found = function(module, *args, **kwargs)
            layer = layer_of.get(id(module))
            if layer is not None and threading.get_ident() == thread:
                output = found[0] if isinstance(found, tuple) else found
                see(_call(layer, module, args, kwargs, output, eager_of.get(type(module).__module__)))
            return found

        return observed

    @functools.wraps(own)
    def entrance(self: Any, implementation: Any, *default: Any) -> Any:
        function = own(self, implementation, *default)
        return watched(function) if callable(function) else function

    with ExitStack() as stack:
        stack.enter_context(shadowed(AttentionInterface, **{_ENTRANCE: entrance}))
        if _ENTRANCE == "__getitem__":
            for source in sources:
                if source.__name__ in eager_of:
                    stack.enter_context(shadowed(source, **{_EAGER: watched(eager_of[source.__name__])}))
        yield


def _call(
    layer: int, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Tensor, eager: Any
) -> AttentionCall:
    """Queries, keys, values and mask by place or by name, as the model gives them."""
    given = {**dict(zip(_NAMES, args, strict=False)), **kwargs}
    query, key, value = (given.pop(name) for name in _NAMES[:3])
    mask = next((given.pop(name) for name in ("attention_mask", "mask") if name in given), None)
    return AttentionCall(layer, module, query, key, value, mask, given, output, eager)
