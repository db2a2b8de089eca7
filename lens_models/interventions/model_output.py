"""Interventions on a model's logits, made of what its layers say at the same position."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from transformers.generation import GenerationMixin

from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts
from lens_models.shadowing import shadowed
from lens_models.unembed import Unembedding

from .host import Host

__all__ = ["LogitIntervention", "Pass", "below", "layers_by_share", "plain_logits", "some_layers"]

_PLAIN = "plain_logits"
Made = TypeVar("Made", bound="LogitIntervention")


@dataclass(frozen=True)
class LogitIntervention:
    """Changes the logits that a forward pass returns, from which tokens are taken and given ones scored.

    Layers are read as the lens reads them: through the model's own final norm and head, with its cap and scale. The
    residual stream and what the head itself gives stay as they are, so readouts of the layers are those of the plain
    model at the tokens that the intervention chose.

    Attributes:
        strength: how much it changes.
        unembedding: of the model; None before `bound`.
    """

    name: ClassVar[str]
    strength: float = 1.0
    unembedding: Unembedding | None = field(default=None, repr=False, kw_only=True)

    def layers(self, n_layers: int) -> tuple[int, ...]:
        """The layers in 1..L-1 that `logits` is given, rising.

        Raises:
            LensArgumentError: the model does not have them.
        """
        raise NotImplementedError

    def logits(self, final: Tensor, early: Tensor) -> Tensor:
        """The changed logits `[rows, positions, V]`, fp32.

        Args:
            final: the model's own, `[rows, positions, V]`, fp32.
            early: `[layers, rows, positions, V]`, fp32, those of `layers`.
        """
        raise NotImplementedError

    def never(self, final: Tensor) -> Tensor | None:
        """bool `[rows, positions, V]`: tokens that are never said; None for none.

        It rules tokens out of the answer alone. In a run that another intervention holds the answer against, none are:
        their -inf there would be the largest gain here.

        Args:
            final: as in `logits`.
        """
        return None

    def bound(self: Made, host: Host) -> Made:
        """The same for a model, whose norm and head read its layers.

        Raises:
            LensArgumentError: the model does not have what is needed.
        """
        self.layers(host.parts.n_layers)
        return replace(self, unembedding=host.unembedding)

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[Pass]:
        """Change what the model's forward pass returns; a pass inside another one stays as it is."""
        passing = self.passing(parts)
        with ExitStack() as stack:
            stack.enter_context(passing.attached(parts))
            for layer in self.layers(parts.n_layers):
                keep = functools.partial(passing.keep, layer)
                stack.callback(parts.layers[layer - 1].register_forward_hook(keep).remove)
            for module in parts.model.modules():
                if isinstance(module, GenerationMixin):
                    through = functools.wraps(module.forward)(functools.partial(passing.run, module.forward))
                    stack.enter_context(shadowed(module, forward=through))
                    stack.enter_context(passing.around(module))
            yield passing

    def passing(self, parts: ModelParts) -> Pass:
        """What goes around each forward pass."""
        assert self.unembedding is not None, "bound() comes first"
        return Pass(self, self.unembedding)


@dataclass
class Pass:
    """One forward pass at a time.

    Attributes:
        intervention: changes the logits.
        unembedding: reads layers.
        running: while a pass goes on.
        seen: layer -> what it gave.
        alone: bool `[rows]`, rows without what `beside` differs by, which keep their own logits. None: no such row.
        held_against: while a further run of another intervention goes on, whose logits the answer is held against.
    """

    intervention: LogitIntervention
    unembedding: Unembedding
    running: bool = False
    seen: dict[int, Tensor] = field(default_factory=dict)
    alone: Tensor | None = None
    held_against: bool = False

    def keep(self, layer: int, module: Any, args: Any, output: Any) -> None:
        """A hook: a layer has run."""
        self.seen[layer] = (output[0] if isinstance(output, tuple | list) else output).detach()

    def run(self, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """In place of the forward method of the module that `generate` runs."""
        if self.running:
            return forward(*args, **kwargs)
        self.running, self.seen, self.alone = True, {}, None
        try:
            beside = self.beside(forward, args, kwargs)
            output = forward(*args, **kwargs)
            self._change(output, beside)
        finally:
            self.running, self.seen = False, {}
        return output

    def attached(self, parts: ModelParts) -> AbstractContextManager[Any]:
        """What is changed of the model beside what its forward pass returns."""
        return nullcontext()

    def around(self, module: nn.Module) -> AbstractContextManager[Any]:
        """What else is changed of a module that can generate."""
        return nullcontext()

    def seal(self, attached: Sequence[object]) -> None:
        """All interventions of a run are attached; those named earlier run within those named later."""

    @contextmanager
    def within(self, kwargs: Mapping[str, Any], longer: int) -> Iterator[None]:
        """While this lasts, another intervention runs the model a further time.

        Args:
            kwargs: what the model is given in that run.
            longer: how many positions more its prompt has.
        """
        outer = dict(vars(self))
        self.held_against = True
        try:
            yield
        finally:
            vars(self).update(outer)

    def beside(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        """Other logits than those of layers, `[n, rows, positions, V]`, that the model's are held against."""
        return None

    @torch.no_grad()
    def _change(self, output: Any, beside: Tensor | None) -> None:
        own: Tensor = output.logits
        count = own.shape[1]
        if beside is not None:
            early = beside[:, :, -count:]
        elif self.seen:
            early = torch.stack([self.unembedding(hidden[:, -count:]) for _, hidden in sorted(self.seen.items())])
        else:
            return
        if not hasattr(output, _PLAIN):  # several interventions: what the model itself said comes first
            setattr(output, _PLAIN, own)
        final = own.float()
        held = self.intervention.logits(final, early.to(own.device)).to(own.dtype)
        never = None if self.held_against else self.intervention.never(final)
        out = own.isneginf() if never is None else never | own.isneginf()  # what was ruled out before stays so
        held = held.masked_fill(out, -math.inf)
        output.logits = held if self.alone is None else own.where(self.alone.to(own.device)[:, None, None], held)


def below(final: Tensor, share: float) -> Tensor | None:
    """bool, as `final` `[..., V]`: tokens less likely than `share` times the likeliest; None where the share is 0."""
    return final < final.amax(-1, keepdim=True) + math.log(share) if share else None


def plain_logits(output: Any) -> Tensor:
    """The logits of a forward pass `[rows, positions, V]` as the model itself gave them, under interventions too."""
    found: Tensor = getattr(output, _PLAIN, output.logits)
    return found


def some_layers(words: str, n_layers: int, name: str) -> tuple[int, ...]:
    """Layers below the last one, by `low` or `high` (every second one of that half) or by numbers "4-8".

    Raises:
        LensArgumentError: none of these, or layers that the model does not have.
    """
    if words in ("low", "high"):
        low, high = range(2, max(n_layers // 2, 3), 2), range(max(n_layers // 2, 1), n_layers, 2)
        found = tuple(low if words == "low" else high)
    else:
        found = _range(words, name)
    if not found or found[-1] >= n_layers:
        raise LensArgumentError(
            f"{name}: layers={words} of a model of {n_layers} layers; expected low, high, or numbers from 1 to "
            f"{n_layers - 1} such as 4-8"
        )
    return found


def layers_by_share(words: str, first: int, last: int, n_layers: int, name: str) -> tuple[int, ...]:
    """Layers by numbers "4-8", or where there are none those that are `first` to `last` of 32 by share of the depth.

    Raises:
        LensArgumentError: layers that the model does not have.
    """
    if not words:
        words = f"{1 + round((first - 1) * n_layers / 32)}-{max(1, round(last * n_layers / 32))}"
    found = _range(words, name)
    if found[-1] > n_layers:
        raise LensArgumentError(f"{name}: layers={words} of a model of {n_layers} layers; expected 1 to {n_layers}")
    return found


def _range(words: str, name: str) -> tuple[int, ...]:
    first, _, last = words.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()) or not 1 <= int(first) <= int(last or first):
        raise LensArgumentError(f"{name}: layers={words!r}; expected low, high, or numbers such as 4-8")
    return tuple(range(int(first), int(last or first) + 1))
