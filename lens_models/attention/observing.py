"""Stand beside the calls of attention functions of a model's decoder layers, whatever implementation they use."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from torch import Tensor, nn
from transformers.modeling_utils import AttentionInterface

from lens_models.parts import ModelParts
from lens_models.shadowing import shadowed

__all__ = ["AttentionCall", "Entrance", "ScoreChange", "attention_observed", "attention_watched", "entrances"]

_ENTRANCE = "get_interface" if hasattr(AttentionInterface, "get_interface") else "__getitem__"
"""The method by which modules get their attention function: transformers 5, and 4."""
_EAGER = "eager_attention_forward"
_CHANGES = "lens_score_changes"
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
        changes: what was made of the scores of the last position before their softmax, in this order.
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
    changes: tuple[ScoreChange, ...] = field(default=(), repr=False)


class ScoreChange(Protocol):
    """What is made of the scores of some positions before the softmax."""

    def backs(self, call: AttentionCall) -> Sequence[int]:
        """Which positions of a call: 0 for the last one, 1 for the one before it."""

    def scores(self, call: AttentionCall, scores: Tensor) -> Tensor:
        """The changed scores of the last position of a call.

        Args:
            call: it ends with that position.
            scores: `[rows, heads, context]`, fp32, scaled and capped, without mask and bias.
        """


@dataclass(frozen=True)
class Entrance:
    """Where modules get an attention function: `name` of `owner`, which is `function` now."""

    owner: Any
    name: str
    function: Callable[..., Any] = field(repr=False)


def entrances(parts: ModelParts) -> list[Entrance]:
    """The entrances of a model's decoder blocks.

    Modules ask `transformers.AttentionInterface` for their function at each forward pass. Under transformers 4 the
    plain ("eager") function is a global of the model's own Python module.
    """
    found = [Entrance(AttentionInterface, _ENTRANCE, getattr(AttentionInterface, _ENTRANCE))]
    if _ENTRANCE == "__getitem__":
        found += [Entrance(source, _EAGER, getattr(source, _EAGER)) for source in _sources(parts)]
    return found


@contextmanager
def attention_observed(parts: ModelParts, see: Callable[[AttentionCall], object]) -> Iterator[None]:
    """While this lasts, `see` hears of each call of an attention function by a module of the decoder's blocks.

    What `see` raises goes to the model's caller.
    """

    def handle(call: AttentionCall, found: Any) -> Any:
        see(call)
        return found

    with attention_watched(parts, handle):
        yield


@contextmanager
def attention_watched(
    parts: ModelParts, handle: Callable[[AttentionCall, Any], Any], change: ScoreChange | None = None
) -> Iterator[None]:
    """While this lasts, `handle` makes what the decoder's blocks are given of each result of an attention function.

    Other threads, and other models in this one, are not looked at.

    Args:
        parts: of the model.
        handle: is given the call and what the function returned, an output or a tuple that begins with it.
        change: what `handle` does to scores; observers that come later are told of it (`AttentionCall.changes`).
    """
    layer_of = {id(module): number for number, layer in enumerate(parts.layers, 1) for module in layer.modules()}
    own, thread = getattr(AttentionInterface, _ENTRANCE), threading.get_ident()
    eager_of = {source.__name__: getattr(source, _EAGER) for source in _sources(parts)}

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        earlier: tuple[ScoreChange, ...] = getattr(function, _CHANGES, ())

        @functools.wraps(function)
        def observed(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            found = function(module, *args, **kwargs)
            layer = layer_of.get(id(module))
            if layer is None or threading.get_ident() != thread:
                return found
            output = found[0] if isinstance(found, tuple) else found
            call = _call(layer, module, args, kwargs, output, eager_of.get(type(module).__module__))
            return handle(replace(call, changes=earlier), found)

        setattr(observed, _CHANGES, earlier if change is None else (*earlier, change))
        return observed

    @functools.wraps(own)
    def entrance(self: Any, implementation: Any, *default: Any) -> Any:
        function = own(self, implementation, *default)
        return watched(function) if callable(function) else function

    with ExitStack() as stack:
        for each in entrances(parts):
            shadow = entrance if each.owner is AttentionInterface else watched(each.function)
            stack.enter_context(shadowed(each.owner, **{each.name: shadow}))
        yield


def _sources(parts: ModelParts) -> list[Any]:
    """The Python modules of the decoder's blocks that have a plain attention function of their own."""
    names = {type(module).__module__ for layer in parts.layers for module in layer.modules()}
    return [sys.modules[name] for name in sorted(names) if hasattr(sys.modules[name], _EAGER)]


def _call(
    layer: int, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Tensor, eager: Any
) -> AttentionCall:
    """Queries, keys, values and mask by place or by name, as the model gives them."""
    given = {**dict(zip(_NAMES, args, strict=False)), **kwargs}
    query, key, value = (given.pop(name) for name in _NAMES[:3])
    mask = next((given.pop(name) for name in ("attention_mask", "mask") if name in given), None)
    return AttentionCall(layer, module, query, key, value, mask, given, output, eager)
