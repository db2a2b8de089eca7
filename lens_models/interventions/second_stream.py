"""Interventions that hold a model's logits against those of a second run with other inputs of the same shape."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts
from lens_models.shadowing import shadowed

from .model_output import LogitIntervention, Pass

__all__ = ["SecondStream"]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_MODALITIES = ("image", "video")


@dataclass(frozen=True)
class SecondStream(LogitIntervention):
    """`logits` is given those of a second run of the model in place of those of layers.

    The second run has its own cache and goes through the same tokens. What observes the model does not see it; other
    interventions change it too.
    """

    def second(self, kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the second run is given in place of the same arguments of a prompt, or of the model's vision tower.

        None where there is nothing that could be replaced: then the prompt runs as it is.
        """
        raise NotImplementedError

    def layers(self, n_layers: int) -> tuple[int, ...]:
        """See `LogitIntervention`: none."""
        return ()

    def passing(self, parts: ModelParts) -> Pass:
        """See `LogitIntervention`."""
        assert self.unembedding is not None
        return _TwoPasses(self, self.unembedding, parts=parts, second=self.second)


@dataclass
class _TwoPasses(Pass):
    """The second run of a forward pass, before the first one, which leaves the model's own state behind."""

    parts: ModelParts = field(kw_only=True)
    second: Callable[[Mapping[str, Any]], dict[str, Any] | None] = field(kw_only=True)
    cache: Any = None
    replaced: bool = False
    encoded: dict[str, Any] = field(default_factory=dict)
    own_hooks: dict[nn.Module, tuple[set[int], set[int]]] = field(default_factory=dict)

    @contextmanager
    def around(self, module: Any) -> Iterator[None]:
        """The vision tower, which `generate` of transformers 5 runs before the first forward pass, runs twice."""
        base = getattr(module, "base_model", module)
        towers = {kind: getattr(base, f"get_{kind}_features", None) for kind in _MODALITIES}
        wrapped = {
            f"get_{kind}_features": functools.wraps(tower)(functools.partial(self._encode, kind, tower))
            for kind, tower in towers.items()
            if tower is not None
        }
        with shadowed(base, **wrapped):
            yield

    def _encode(self, kind: str, tower: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self.running and (other := self.second(kwargs)) is not None:
            self.encoded[kind] = tower(*args, **{**kwargs, **other})
        return tower(*args, **kwargs)

    def _first(self, kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the second run of a prompt is given: other pixels, or what the vision tower made of them."""
        encoded, self.encoded = self.encoded, {}
        given = kwargs.get("mm_encoder_outputs")
        if given and encoded:
            # beams repeat what the tower gave
            if any(len(given[kind].pooler_output) != len(own.pooler_output) for kind, own in encoded.items()):
                _no_beams()
            return {"mm_encoder_outputs": {**given, **encoded}}
        return self.second(kwargs)

    def seal(self) -> None:
        """All interventions are attached: hooks that come later are those of observers."""
        modules = [*self.parts.layers, self.parts.head, *([self.parts.norm] if self.parts.norm is not None else [])]
        self.own_hooks = {each: (set(each._forward_hooks), set(each._forward_pre_hooks)) for each in modules}

    def beside(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        """`[1, rows, positions, V]`: the logits of the second run; None where the prompt has none."""
        cache = kwargs.get("past_key_values")
        first = cache is None or not cache.get_seq_length()
        if first:
            other = self._first(kwargs)
            self.replaced, self.cache = other is not None, None
        else:
            other = {}
        if not self.replaced or other is None:
            return None
        if cache is not None:
            if first:
                self.cache = copy.deepcopy(cache)
                cache.reorder_cache = _no_beams
            other = {**other, "past_key_values": self.cache}
        with self._unseen():
            output = forward(*args, **{**kwargs, **other})
        return output.logits.float()[None]  # type: ignore[no-any-return]

    @contextmanager
    def _unseen(self) -> Iterator[None]:
        """While this lasts, no hook of an observer runs."""
        with ExitStack() as stack:
            for module, kept in self.own_hooks.items():
                hooks = {
                    name: type(own)((key, hook) for key, hook in own.items() if key in known)
                    for name, known in zip(_HOOKS, kept, strict=True)
                    if (own := getattr(module, name)) is not None
                }
                stack.enter_context(shadowed(module, **hooks))
            yield


def _no_beams(*_: Any) -> None:
    raise LensArgumentError("an intervention with a second run of the model works without beam search; use num_beams=1")
