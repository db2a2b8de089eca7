"""Every generated token as the answer's token is read: all layers at each position that predicted one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from lens_models.comparison import RowDeviations
from lens_models.errors import IdentityError
from lens_models.parts import ModelParts
from lens_models.readout import Readout, ReadoutRow
from lens_models.unembed import is_plain_head

from .protocol import Answered, Arrays, Batch, ProvenLens, Step
from .residual import ResidualCapture

__all__ = ["EveryToken"]

_AT_A_TIME = 32
"""Tokens whose readouts are held together: each has a row of the whole vocabulary with it."""


class EveryToken:
    """The layers at each step of a generation, for the table of positions and layers (nostalgebraist 2020).

    The readout of the last layer is compared with the model's own logits at every step, not at the first alone.
    """

    name: ClassVar[str] = "every_token"
    token_arrays: ClassVar[tuple[str, ...]] = ("given", "top")

    def __init__(self, lens: ProvenLens, batch: Batch) -> None:
        self._lens = lens
        # all that the lens itself keeps of the answer's position; steps beyond its limit are let go here too
        self._residuals = ResidualCapture(lens.parts, layer_index=lens.layer_index, keep_logits=False)
        self._deviations: list[RowDeviations] = []

    @classmethod
    def refusal(cls, model: nn.Module, parts: ModelParts, inputs: Mapping[str, Any]) -> str | None:
        """Why a model is not read at every step: its head would have to run a second time inside the run."""
        if is_plain_head(parts.head):
            return None
        return f"the head, '{parts.head_path}', is quantised, sharded, adapted or offloaded"

    def attach(self, parts: ModelParts) -> AbstractContextManager[Any]:
        """Hook the decoder layers."""
        return self._residuals.attach(parts)

    def on_step(self, step: Step) -> None:
        """Keep the states, and hold the last one against the model's logits; nothing is brought to the host."""
        self._residuals.on_step(step)
        last = self._residuals.trace.steps[-1][-1]
        self._deviations.append(self._lens.deviations(last, step.logits[:, -1]))

    def result(self, answered: Answered) -> Arrays:
        """What each layer says at the steps that were kept.

        Returns:
            `step` `[steps]`, the number of each token in the response; `layers` `[layers]`; `given` `[steps]`, ids of
            the tokens that the model gave, and their `logprob` (nats) and `rank` (1: the most likely)
            `[steps, layers]`; `top` `[steps, layers]`, id of the most likely token of a layer, and its `top logprob`;
            `entropy` `[steps, layers]` in nats; `identity` `[steps]`, deviation of the last layer's readout from the
            model's logits as a share of their range.

        Raises:
            IdentityError: the readout of a step is not the model's own, or its logits are NaN or infinite.
        """
        kept = self._residuals.result(Answered(answered.sample, answered.rows))
        steps = sorted(kept)
        if not steps or not answered.tokens:
            return {}
        identity = [self._deviation(step, answered.rows[step]) for step in steps]
        given = [answered.tokens[step] for step in steps]
        rows = [ReadoutRow(kept[step], token) for step, token in zip(steps, given, strict=True)]
        read = [
            _by_layer(readout)
            for start in range(0, len(rows), _AT_A_TIME)
            for readout in self._lens.read(rows[start : start + _AT_A_TIME])
        ]
        arrays: dict[str, Any] = {name: [each[name] for each in read] for name in read[0]}
        arrays |= {"step": steps, "layers": self._lens.layer_index, "given": given, "identity": identity}
        return {name: np.asarray(values, dtype=np.float32) for name, values in arrays.items()}

    def _deviation(self, step: int, row: int) -> float:
        report = self._deviations[step].of(torch.tensor([row]))
        if not report.exact:
            raise IdentityError(
                f"the readout of step {step} is off by {report.deviation:.1e} of the logit range (allowed "
                f"{report.tolerance:.1e})"
            )
        return report.deviation


def _by_layer(readout: Readout) -> dict[str, Any]:
    """What is kept of one position, each `[layers]`."""
    return {
        "logprob": readout.logprob_pred,
        "rank": readout.rank_pred,
        "top": readout.topk_ids[:, 0],
        "top logprob": readout.topk_logprobs[:, 0],
        "entropy": readout.entropy,
    }
