"""Further runs of the model beside the one that answers, with caches of their own and seen by no observer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from lens_models.attention.observing import Entrance, entrances
from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts
from lens_models.shadowing import shadowed

from .model_output import Pass

__all__ = ["SecondRun", "no_beams"]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


@dataclass
class SecondRun(Pass):
    """Forward passes beside the model's own, before it, which leaves the model's own state behind.

    Other interventions change them too. What is known of a prompt is kept with its cache, so that the runs of several
    interventions do not mix.
    """

    parts: ModelParts = field(kw_only=True)
    aside: bool = False
    others: Sequence[Pass] = ()
    own_hooks: dict[nn.Module, tuple[set[int], set[int]]] = field(default_factory=dict)
    own_entrances: list[Entrance] = field(default_factory=list)
    kept: WeakKeyDictionary[Any, Any] = field(default_factory=WeakKeyDictionary)
    second_caches: WeakKeyDictionary[Any, Any] = field(default_factory=WeakKeyDictionary)

    def seal(self, attached: Sequence[object]) -> None:
        """All interventions are attached: hooks that come later are those of observers."""
        self.others = [each for each in attached if isinstance(each, Pass) and each is not self]
        modules = [*self.parts.layers, self.parts.head, *([self.parts.norm] if self.parts.norm is not None else [])]
        self.own_hooks = {each: (set(each._forward_hooks), set(each._forward_pre_hooks)) for each in modules}
        self.own_entrances = entrances(self.parts)

    @staticmethod
    def begins(kwargs: Mapping[str, Any]) -> bool:
        """Whether a pass is over a whole prompt."""
        cache = kwargs.get("past_key_values")
        return cache is None or not cache.get_seq_length()

    def stream(
        self,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        other: Mapping[str, Any],
        longer: int = 0,
    ) -> Tensor:
        """`[1, rows, positions, V]`: logits of a run that goes along with the model's own, with a cache of its own.

        Args:
            forward: of the model.
            args: of the model's own pass.
            kwargs: of the model's own pass.
            other: what the further run is given in place of the same arguments.
            longer: how many positions more its prompt has.
        """
        cache = kwargs.get("past_key_values")
        if cache is not None:
            if self.begins(kwargs):
                self.second_caches[cache] = copy.deepcopy(cache)
                cache.reorder_cache = no_beams
            other = {**other, "past_key_values": self.second_caches[cache]}
        return self.once(forward, args, {**kwargs, **other}, longer).logits.float()[None]  # type: ignore[no-any-return]

    def once(
        self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], longer: int = 0
    ) -> Any:
        """What the model returns in a run that nobody observes; the cache in `kwargs` goes on with it."""
        self.aside = True
        try:
            with self._unseen(), ExitStack() as stack:
                for each in self.others:
                    stack.enter_context(each.within(kwargs, longer))
                return forward(*args, **kwargs)
        finally:
            self.aside = False

    @contextmanager
    def _unseen(self) -> Iterator[None]:
        """While this lasts, no hook of an observer runs, and no observer of attention is told."""
        with ExitStack() as stack:
            for module, kept in self.own_hooks.items():
                hooks = {
                    name: type(own)((key, hook) for key, hook in own.items() if key in known)
                    for name, known in zip(_HOOKS, kept, strict=True)
                    if (own := getattr(module, name)) is not None
                }
                stack.enter_context(shadowed(module, **hooks))
            for each in self.own_entrances:
                stack.enter_context(shadowed(each.owner, **{each.name: each.function}))
            yield


def no_beams(*_: Any) -> None:
    """In place of a cache's method that beam search calls.

    Raises:
        LensArgumentError: always.
    """
    raise LensArgumentError("an intervention with a second run of the model works without beam search; use num_beams=1")
