"""What depends on the steps that a response writes; all of it is read when the text is there."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from lens_models.parts import ModelParts

from .protocol import Answered, Arrays, Batch, ProvenLens, Step

__all__ = ["StepCauses"]


class StepCauses:
    """Observes nothing of a generation: `lens_engine.step_causes` runs the finished text again."""

    name: ClassVar[str] = "step_causes"

    def __init__(self, lens: ProvenLens, batch: Batch) -> None:
        pass

    def attach(self, parts: ModelParts) -> AbstractContextManager[Any]:
        """No hooks."""
        return nullcontext()

    def on_step(self, step: Step) -> None:
        """Nothing."""

    def result(self, answered: Answered) -> Arrays:
        """Nothing."""
        return {}
