"""Probes: what is observed while a model generates. A probe reads and never writes.

A new probe is one file in this folder and one line in `PROBES`; docs/adding-a-probe.md shows one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from lens_models.parts import ModelParts

from .attention import ImageAttention
from .every_token import EveryToken
from .image_tokens import ImageTokenLens
from .observing import observed
from .positions import EVERY, LAST, Positions
from .protocol import Answered, Arrays, Batch, Probe, ProvenLens, Step
from .residual import CAPTURE_LIMIT, ResidualCapture, Trace, resolve_layer_index
from .step_causes import StepCauses
from .step_entropy import StepEntropy
from .step_regions import StepRegions
from .steps import WrittenSteps

__all__ = [
    "CAPTURE_LIMIT",
    "EVERY",
    "LAST",
    "PROBES",
    "Answered",
    "Arrays",
    "Batch",
    "EveryToken",
    "ImageAttention",
    "ImageTokenLens",
    "Positions",
    "Probe",
    "ProvenLens",
    "ResidualCapture",
    "Step",
    "StepCauses",
    "StepEntropy",
    "StepRegions",
    "Trace",
    "WrittenSteps",
    "needs_image_tokens",
    "observed",
    "observes_given",
    "refusal_of",
    "resolve_layer_index",
    "statuses_of",
    "token_arrays",
]

PROBES: dict[str, Callable[[ProvenLens, Batch], Probe]] = {
    StepEntropy.name: StepEntropy,
    ImageTokenLens.name: ImageTokenLens,
    ImageAttention.name: ImageAttention,
    WrittenSteps.name: WrittenSteps,
    StepRegions.name: StepRegions,
    StepCauses.name: StepCauses,
    EveryToken.name: EveryToken,
}
"""Name in `lens_probes` -> what makes the probe of one generation, of the proven lens of the model and the batch.

The residual of the answer position (`ResidualCapture`) is not in it: it is observed in every run of the lens.
"""


def refusal_of(name: str, model: nn.Module, parts: ModelParts, inputs: Mapping[str, Any]) -> str | None:
    """Why the probe of this name cannot observe a model; None where it can, or has nothing to prove.

    A probe class proves it with a class method `refusal(model, parts, inputs)`, asked once at load.
    """
    prove = getattr(PROBES[name], "refusal", None)
    return None if prove is None else prove(model, parts, inputs)


def statuses_of(probe: Probe, answered: Answered) -> Mapping[str, str]:
    """What a probe says beside the arrays of a sample: name -> "ok", or why a part of them is not there.

    It says so with a method `statuses(answered)`; most have nothing to say.
    """
    tell = getattr(probe, "statuses", None)
    return {} if tell is None else tell(answered)


def token_arrays(name: str) -> tuple[str, ...]:
    """Which arrays of the probe of this name hold token ids."""
    return tuple(getattr(PROBES[name], "token_arrays", ()))


def needs_image_tokens(name: str) -> bool:
    """Whether the probe of this name looks at image tokens, which are located only for such a one."""
    return bool(getattr(PROBES[name], "needs_image_tokens", False))


def observes_given(name: str) -> bool:
    """Whether the probe of this name also observes answers that are given and scored, as those of multiple choice.

    Those that look at image tokens do, unless they are of written text and say `observes_given = False`.
    """
    return bool(getattr(PROBES[name], "observes_given", needs_image_tokens(name)))
