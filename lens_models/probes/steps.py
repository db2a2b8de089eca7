"""What the readout of written steps needs of the generation itself."""

from __future__ import annotations

from typing import ClassVar

from .step_entropy import StepEntropy

__all__ = ["WrittenSteps"]


class WrittenSteps(StepEntropy):
    """The entropy at each generated token; `lens_engine.steps` divides the tokens into the steps of the response.

    Where a step ends is known when the text is there, so the rest of what is read of steps is read afterwards.
    """

    name: ClassVar[str] = "steps"
