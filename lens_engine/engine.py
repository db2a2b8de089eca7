"""The engine: samples in, answers and what was observed of them out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from lens_models import CaptureError, IdentityReport, LensSettings, Readout, ReadoutRow
from lens_models.continuations import ScoredContinuation, Tokens
from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.contextual import ContextualBank
from lens_models.interventions import Intervention
from lens_models.probes import Probe
from lens_models.video import Video
from lens_models.work import Work

from .media import Images, Media
from .sample import Sample

__all__ = ["UNCHANGED", "BatchTrace", "Engine", "Generation", "Lens", "Parts", "Replacement", "Tokens", "as_shown"]


class BatchTrace(Protocol):
    """What was observed while a batch was answered; `lens_models.TracedGeneration` is one."""

    @property
    def new_tokens(self) -> Sequence[Tokens]:
        """Ids that each row generated, trailing padding included."""

    @property
    def image_tokens(self) -> Sequence[ImageTokens]:
        """Those of each row, where somebody located them."""

    @property
    def probes(self) -> Sequence[Probe]:
        """Further probes that observed the batch."""

    @property
    def held_bytes(self) -> int | None:
        """Bytes that it holds; None where its samples are not to be read with those of other batches."""

    def row(self, sample: int, step: int) -> int:
        """The row of the forward pass at `step` that produced the sample's token."""

    def residual(self, sample: int, step: int) -> Any:
        """What predicted token `step` of `sample`, in the form that the lens of the same engine reads.

        Raises:
            StepNotKeptError: the generation was so long that the step was let go.
        """


class Parts(Protocol):
    """What a lens found of its model."""

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks, L."""

    @property
    def hidden_size(self) -> int:
        """Width of the residual stream."""

    @property
    def vocab_size(self) -> int:
        """Number of logits."""

    @property
    def model_class(self) -> str:
        """Name of the model's class."""

    @property
    def decoder_path(self) -> str:
        """Name of the list of blocks in the model."""

    @property
    def norm_path(self) -> str | None:
        """Name of the final norm."""

    @property
    def head_path(self) -> str:
        """Name of the output embedding."""


class Lens(Protocol):
    """The proven lens of an engine's model; `lens_models.LogitLens` is that of models of transformers."""

    @property
    def settings(self) -> LensSettings:
        """What is read."""

    @property
    def parts(self) -> Parts:
        """Of the model."""

    @property
    def layer_index(self) -> tuple[int, ...]:
        """The layers that are read, rising; the last one is L."""

    @property
    def identity(self) -> IdentityReport:
        """How exact the readout was at load."""

    @property
    def refused_probes(self) -> Mapping[str, str]:
        """Probe -> why it observes nothing of this model."""

    @property
    def bank(self) -> ContextualBank | None:
        """States of words in text, for the probe of image tokens."""

    @property
    def dtype(self) -> str:
        """Of the model."""

    @property
    def device(self) -> str:
        """Where the model runs."""

    def read(self, rows: Sequence[ReadoutRow]) -> list[Readout]:
        """Per-layer quantities of each row."""

    def finite(self, generation: Any) -> list[bool]:
        """Of each sample of a batch, whether the model's logits at its first step are finite."""

    def compared(self, generation: Any, known: Collection[int]) -> list[int]:
        """The samples that `check` compares when it is given those in `known`."""

    def check(self, generation: Any, known: Mapping[int, Any]) -> IdentityReport | None:
        """Identity of a batch at its first step; None where no sample says anything.

        Args:
            generation: its trace, of this lens's engine.
            known: last-layer logits (`Readout.last_logits`) of samples whose first step was read anyway.
        """

    def compare_position(self, residual: Any, model_logits: Any) -> IdentityReport:
        """Identity of one position with the logits that the model returned there."""

    def counted_passes(self) -> AbstractContextManager[Callable[[], int]]:
        """Yields a function that counts how often the model ran since."""

    def end_token_ids(self, tokenizer: Any) -> tuple[int, ...]:
        """Ids that end a generated text."""

    def definition(self, processor: Any, path: str, *, commit: str | None = None) -> dict[str, Any]:
        """Everything about the model that can change an answer or a readout: part -> JSON value."""

    def describe(self) -> dict[str, Any]:
        """The definition of this lens for records: parts, norm, transform, layers."""


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
    trace: BatchTrace | CaptureError | None = field(default=None, repr=False)
    row: int = 0


@dataclass(frozen=True)
class Replacement:
    """What a prompt is run with in place of its own.

    Attributes:
        images: shown in place of the sample's own, as many as it has; None for its own.
        videos: the same of its videos.
        masked: numbers of image tokens, in order of the prompt, that become the mean of all of them.
    """

    images: Images | None = field(default=None, repr=False)
    videos: Sequence[Video] | None = field(default=None, repr=False)
    masked: tuple[int, ...] = ()


UNCHANGED = Replacement()
"""Nothing is replaced."""


class Engine(Protocol):
    """A model that answers samples while probes observe it."""

    @property
    def lens(self) -> Lens | None:
        """The proven lens of the model; None when nothing is to be read."""

    @property
    def interventions(self) -> Sequence[Intervention]:
        """What is changed in every run of the model."""

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

    def score_first(self, samples: Sequence[Sample], tokens: Sequence[int]) -> list[ScoredContinuation]:
        """Score one given token behind each of several prompts, in batches as `generate`; residuals, no layer sums.

        Args:
            samples: their prompts.
            tokens: one of each.

        Raises:
            ForcingError: the model cannot be given tokens.
            InputError, SampleTooLargeError: as `generate`.
        """

    def take_work(self) -> Work | None:
        """What the model computed for answers and scores since the last call; None where that is not counted."""

    def look(self, media: Media, question: str) -> BatchTrace:
        """What the probes see of one forward pass over pictures or a video and a question, by chat template.

        Raises:
            CaptureError: nothing was observed.
            InputError: the model's processor encodes no such prompt.
        """

    def locate(self, sample: Sample) -> ImageTokens:
        """The image tokens of a sample's prompt, in the picture where that is proven.

        Raises:
            InputError: the sample cannot be encoded.
        """


def as_shown(engine: Engine, sample: Sample) -> Sample:
    """A sample as a model is shown it: what interventions on prompts make of it.

    An engine that has such interventions has a method `shown` that says so; all its methods show samples so.
    """
    shown: Callable[[Sample], Sample] | None = getattr(engine, "shown", None)
    return sample if shown is None else shown(sample)
