"""The protocol of probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from lens_models.comparison import RowDeviations
from lens_models.image_tokens import ImageTokens
from lens_models.parts import ModelParts
from lens_models.readout import Readout, ReadoutRow
from lens_models.transforms import LogitTransform
from lens_models.unembed import Unembedding

__all__ = ["Answered", "Arrays", "Batch", "Probe", "ProvenLens", "Step"]

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


@dataclass(frozen=True)
class Batch:
    """What the model is about to run on.

    Attributes:
        inputs: what `generate` is called with, left-padded.
        image_tokens: of each row; empty where nobody located them.
    """

    inputs: Mapping[str, Any] = field(repr=False)
    image_tokens: Sequence[ImageTokens] = ()


@dataclass(frozen=True)
class Answered:
    """One answered sample of a batch, as a probe is asked for it.

    Attributes:
        sample: the sample's row in the batch's inputs.
        rows: `rows[t]` is the row of forward pass t that led to the sample's token t; beams move between rows.
        step: which of its tokens begins the answer; None where the answer was not located.
        words: words that matter to the sample, such as the object that is asked about and the answers, each with the
            token ids that may begin it.
        tokens: ids that the model gave, one for each of `rows`; empty where given tokens were scored.
    """

    sample: int
    rows: Sequence[int]
    step: int | None = None
    words: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    tokens: Sequence[int] = ()


class WordBank(Protocol):
    """States of words in text; `lens_models.image_tokens.contextual.ContextualBank` is one."""

    layers: tuple[int, ...]

    def nearness(self, residual: Tensor, words: Sequence[str]) -> npt.NDArray[np.float32]:
        """`[words, layers, tokens]`, 0 to 1, of image tokens `[layers, tokens, d]` at its layers."""


class ProvenLens(Protocol):
    """What a probe is made of; `lens_models.LogitLens` is one."""

    parts: ModelParts
    """Decoder layers, final norm and head of the model."""

    @property
    def transform(self) -> LogitTransform:
        """What the model does to the output of its head."""

    @property
    def unembedding(self) -> Unembedding:
        """Final norm and head of the model, for residuals at any layer."""

    @property
    def bank(self) -> WordBank | None:
        """States of words in text; None where nobody asked for them or the model reads no text alone."""

    @property
    def layer_index(self) -> tuple[int, ...]:
        """Numbers of the layers that are read, rising; the last one is L."""

    def read(self, rows: Sequence[ReadoutRow]) -> list[Readout]:
        """Per-layer quantities of each row, see `lens_models.readout`."""

    def deviations(self, residual: Tensor, head_output: Tensor) -> RowDeviations:
        """How far last-layer residuals `[rows, d]` are read from the head's own output `[rows, vocabulary]`."""

    def of_images(self, residual: Tensor, layer_index: Sequence[int]) -> Tensor:
        """What the final norm is given of image tokens in place of the residual, `[layers, ..., d]`, at any layers."""

    def logits(self, residual: Tensor) -> Tensor:
        """Lens logits `[layers, ..., vocabulary]`, fp32, of residuals `[layers, ..., d]` at the lens's layers."""


class Probe(Protocol):
    """What is observed in one run of a model. One object serves one run and is thrown away.

    A class with an attribute `needs_image_tokens = True` is given the image tokens of each row with its batch. It also
    observes answers that are given and scored, unless it has `observes_given = False`. One with `token_arrays` names
    those of its arrays whose numbers are token ids; their texts are kept in the record.
    """

    name: ClassVar[str]
    """Its name in `lens_probes` and in records."""

    def attach(self, parts: ModelParts) -> AbstractContextManager[Any]:
        """Hooks of its own on the parts of the model that will run; they are gone when the context ends.

        A hook must not change what passes, and must keep copies, not views, of the positions it needs.
        """

    def on_step(self, step: Step) -> None:
        """Called after each forward pass, when the head has run."""

    def result(self, answered: Answered) -> Any:
        """What was observed of one sample.

        Returns:
            `Arrays` for a probe in `PROBES`: they become part of the sample's record.
        """
