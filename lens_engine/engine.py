"""The engine: samples in, answers and what was observed of them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lens_models import CaptureError, LogitLens, TracedGeneration
from lens_models.continuations import ScoredContinuation, Tokens
from lens_models.image_tokens import ImageTokens

from .media import Images
from .sample import Sample

__all__ = ["UNCHANGED", "Engine", "Generation", "Replacement", "Tokens"]


@dataclass(frozen=True)
class Generation:
    """The answer to one sample.

    Attributes:
        text: the answer as the harness takes it.
        n_tokens: number of tokens that were generated, padding included; None for an answer of an earlier run.
        trace: what was observed of its batch, why nothing could be, or None where nothing was to be observed.
        row: the sample's place in that batch.
    """

    text: str
    n_tokens: int | None = None
    trace: TracedGeneration | CaptureError | None = field(default=None, repr=False)
    row: int = 0


@dataclass(frozen=True)
class Replacement:
    """What a prompt is run with in place of its own.

    Attributes:
        images: shown in place of the sample's own, as many as it has.
        masked: numbers of image tokens, in order of the prompt, that become the mean of all of them.
    """

    images: Images | None = field(default=None, repr=False)
    masked: tuple[int, ...] = ()


UNCHANGED = Replacement()
"""Nothing is replaced."""


class Engine(Protocol):
    """A model that answers samples while probes observe it."""

    @property
    def lens(self) -> LogitLens | None:
        """The proven lens of the model; None when nothing is to be read."""

    def generate(self, samples: Sequence[Sample], *, observe: bool = True) -> list[Generation]:
        """Answer samples that share their generation arguments, in as large batches as fit into memory.

        Args:
            samples: a batch.
            observe: with the lens and its probes beside the model; the answers are the same either way.

        Raises:
            InputError: a sample cannot be encoded; names it.
            SampleTooLargeError: a sample alone does not fit into memory; names it.
        """

    def score(
        self,
        sample: Sample,
        continuations: Sequence[Tokens],
        *,
        before: Tokens = (),
        replacement: Replacement = UNCHANGED,
        observe: bool = True,
        probes: bool = False,
    ) -> list[ScoredContinuation]:
        """Score given continuations of a sample's prompt as the model's own generation (teacher forcing).

        Args:
            sample: the prompt.
            continuations: token ids of each.
            before: token ids that were generated before them.
            replacement: what the prompt is run with in place of its own.
            observe: with the layers of the lens.
            probes: with its probes of image tokens too.

        Raises:
            ForcingError: the model cannot be given tokens.
            MaskingError: masking image tokens does not take the picture away from this model.
        """

    def look(self, images: Images, question: str) -> TracedGeneration:
        """What the probes see of one forward pass over pictures and a question in the model's chat template.

        Raises:
            CaptureError: nothing was observed.
            InputError: the model's processor encodes no such prompt.
        """

    def locate(self, sample: Sample) -> ImageTokens:
        """The image tokens of a sample's prompt, in the picture where that is proven.

        Raises:
            InputError: the sample cannot be encoded.
        """
