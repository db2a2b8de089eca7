"""How uncertain the model was at each step: the entropy of its own next-token distribution."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor

from lens_models import distributions as dist
from lens_models.parts import ModelParts

from .protocol import Answered, Arrays, Batch, ProvenLens, Step

__all__ = ["StepEntropy"]


class StepEntropy:
    """Entropy in nats of the distribution that each generated token was taken from.

    The distribution is the softmax of the model's logits after its own cap and scale, before temperature, top-p and
    other settings of sampling.
    """

    name: ClassVar[str] = "step_entropy"

    def __init__(self, lens: ProvenLens, batch: Batch) -> None:
        self._transform = lens.transform
        self._steps: list[Tensor] = []

    def attach(self, parts: ModelParts) -> AbstractContextManager[Any]:
        """No hooks: the logits come with each step."""
        return nullcontext()

    def on_step(self, step: Step) -> None:
        """Keep one number a row; it stays on its device until it is asked for."""
        logits = self._transform(step.logits[:, -1].detach().float().clone())
        self._steps.append(dist.entropy(torch.log_softmax(logits, dim=-1)))

    def result(self, answered: Answered) -> Arrays:
        """`entropy`: fp32 `[steps]`, in nats."""
        rows = answered.rows
        # one transfer from the device, not one a step
        own = torch.stack(self._steps)[torch.arange(len(rows)), torch.tensor(rows, dtype=torch.long)]
        return {"entropy": own.float().cpu().numpy()}
