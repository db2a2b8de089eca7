"""What may be changed while a model runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from .parts import ModelParts

__all__ = ["Intervention", "NoIntervention", "changed"]


class Intervention(Protocol):
    """A change of a model's run, by name and strength; both are part of the run's fingerprint.

    At strength 0 nothing is attached, so the run is bit for bit the plain one.
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
        for intervention in interventions:
            if intervention.strength:
                stack.enter_context(intervention.attach(parts))
        yield
