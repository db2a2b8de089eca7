"""What an intervention is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol

from lens_models.parts import ModelParts

from .host import Host

__all__ = ["Intervention", "NoIntervention", "bound", "changed", "settings_of"]


class Intervention(Protocol):
    """A change of a model's run, by name and strength; both are part of the run's fingerprint.

    At strength 0 nothing is attached, so the run is bit for bit the plain one. An intervention that needs to know the
    model has a method `bound(host)` besides, which gives the one that is attached.
    """

    @property
    def name(self) -> str:
        """What it is, for records and the fingerprint."""

    @property
    def strength(self) -> float:
        """How much it changes; its unit is the intervention's own."""

    def attach(self, parts: ModelParts) -> AbstractContextManager[Any]:
        """Hooks that change what passes through the parts of the model; they are gone when the context ends."""


@dataclass(frozen=True)
class NoIntervention:
    """Changes nothing: what a run without an intervention is compared with."""

    name: str = "none"
    strength: float = 0.0

    def attach(self, parts: ModelParts) -> AbstractContextManager[Any]:
        """No hooks."""
        return nullcontext()


@contextmanager
def changed(parts: ModelParts, interventions: Sequence[Intervention]) -> Iterator[None]:
    """While this lasts, the model runs under the interventions, applied in their order."""
    with ExitStack() as stack:
        attached = [stack.enter_context(each.attach(parts)) for each in interventions if each.strength]
        for each in attached:
            if hasattr(each, "seal"):  # from here on hooks are those of observers
                each.seal(attached)
        yield


def bound(interventions: Sequence[Intervention], host: Host) -> tuple[Intervention, ...]:
    """The interventions for one model: those that read its layers are given its norm and head, and so on.

    Raises:
        LensArgumentError: one of them does not fit the model, or another one.
    """
    strong = [each for each in interventions if each.strength]
    for each in strong:
        if hasattr(each, "require_fitting"):
            each.require_fitting([other for other in strong if other is not each])
    return tuple(each.bound(host) if each.strength and hasattr(each, "bound") else each for each in interventions)


def settings_of(intervention: Any) -> Mapping[str, Any]:
    """What an intervention was set to beside its strength, for the fingerprint: name -> JSON value."""
    if not is_dataclass(intervention):
        return {}
    told = getattr(intervention, "told", None)  # a file is told by its content
    found = {each.name: getattr(intervention, each.name) for each in fields(intervention) if each.init and each.repr}
    found |= {} if told is None else told()
    return {name: value for name, value in found.items() if name not in ("name", "strength")}
