"""The protocol of probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from lens_models.parts import ModelParts
from lens_models.transforms import LogitTransform

__all__ = ["Arrays", "Probe", "ProvenLens", "Step"]

Arrays = Mapping[str, npt.NDArray[np.float32]]
"""Quantity -> array of one or two axes, without NaN or infinity."""


@dataclass(frozen=True)
class Step:
    """One forward pass of a model that reached its head; the first one of a generation is the prefill.

    Attributes:
        index: number of the pass, from 0.
        logits: the head's own output `[rows, positions, vocabulary]`, before any cap or scale; not to be changed.
    """

    index: int
    logits: Tensor = field(repr=False)


class ProvenLens(Protocol):
    """What a probe is made of; `lens_models.LogitLens` is one."""

    parts: ModelParts
    """Decoder layers, final norm and head of the model."""

    @property
    def transform(self) -> LogitTransform:
        """What the model does to the output of its head."""

    def logits(self, residual: Tensor) -> Tensor:
        """Lens logits `[layers, ..., vocabulary]`, fp32, of residuals `[layers, ..., d]` at the lens's layers."""


class Probe(Protocol):
    """What is observed in one run of a model. One object serves one run and is thrown away."""

    name: ClassVar[str]
    """Its name in `lens_probes` and in records."""

    def attach(self, parts: ModelParts) -> AbstractContextManager[Any]:
        """Hooks of its own on the parts of the model that will run; they are gone when the context ends.

        A hook must not change what passes, and must keep copies, not views, of the positions it needs.
        """

    def on_step(self, step: Step) -> None:
        """Called after each forward pass, when the head has run."""

    def result(self, rows: Sequence[int]) -> Any:
        """What was observed of one sample.

        Args:
            rows: `rows[t]` is the row of forward pass t that led to the sample's token t; beams move between rows.

        Returns:
            `Arrays` for a probe in `PROBES`: they become part of the sample's record.
        """
