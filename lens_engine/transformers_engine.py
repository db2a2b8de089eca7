"""The engine of transformers: any model class of it, with the lens and its probes beside `generate`."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from lens_models import (
    CaptureError,
    Forcing,
    LensArgumentError,
    LensSettings,
    LogitLens,
    MaskingError,
    ModelParts,
    TracedGeneration,
    example_inputs,
    find_parts,
    prove_forcing,
)
from lens_models.continuations import ScoredContinuation, score_continuations, score_first_tokens
from lens_models.encoded_media import EncodedMedia
from lens_models.encoding import encodable_together, tokenizer_of
from lens_models.forced_run import STEP_BY_STEP
from lens_models.generation import unchanged_random_state
from lens_models.identity import prove_identity
from lens_models.image_tokens import ImageTokens, ProvenImageTokens, shape_of
from lens_models.image_tokens.masking import MaskedImageTokens, masking_problem
from lens_models.interventions import Crop, Intervention, bound, changed
from lens_models.memory import attempted, free_memory
from lens_models.probes import needs_image_tokens
from lens_models.shared_prefix import SharedPrefix
from lens_models.unembed import Unembedding
from lens_models.work import Work, work_counted

from . import sharing
from .ahead import Ahead, ahead_of
from .batching import BatchLimit, alone, in_order
from .engine import UNCHANGED, Generation, Replacement, Tokens
from .hosting import host_of
from .media import Media
from .prompts import Prompts, about
from .sample import Sample
from .second_look import SecondLook, placed

__all__ = ["TransformersEngine"]

log = logging.getLogger(__name__)


class TransformersEngine:
    """Answers and scores samples with a loaded model; see `lens_engine.engine.Engine`.

    Args:
        model: in eval mode.
        processor: what encodes its prompts and images.
        prompts: how samples are put to it.
        settings: what the lens reads; None runs the model alone.
        interventions: what is changed in every run of the model.
        one_prefill: continuations of a prompt share the pass over it, see `lens_models.forcing.sharing_prefill`; models
            that are proven step by step alone do so by themselves, for there it changes no number.
        shared_prefix: a prompt goes on from the keys and values of what it shares with the one before, see
            `SharedPrefix`.
        shared_vision: a picture is encoded once, whatever stands beside it in its batch, see `SharedVision`.
        encode_once: a picture is encoded once for the prompts about it that follow each other, see `EncodedMedia`; for
            runs in which nobody changes the model.
        log: what the lens found at load, batches that do not fit, models that cannot be given tokens.

    Raises:
        PartsError, IdentityError, CaptureError: the lens does not read this model exactly, see `lens_models.errors`.
        LensArgumentError: `one_prefill`, `shared_prefix` or `shared_vision` with a model that cannot do it; the first
            two with interventions; `shared_prefix` with probes that look at the whole prompt.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        prompts: Prompts,
        settings: LensSettings | None,
        *,
        interventions: Sequence[Intervention] = (),
        encode_once: bool = False,
        one_prefill: bool = False,
        shared_prefix: bool = False,
        shared_vision: bool = False,
        log: Any = log,
    ) -> None:
        self.model = model
        self.processor = processor
        self.prompts = prompts
        self.lens = None if settings is None else _proven_lens(model, processor, settings, log)
        self._reading: Unembedding | None = None
        self.interventions = self._bound(interventions)
        self._media = EncodedMedia(model) if encode_once else None
        if shared_vision:
            self._media = sharing.shared_vision(model, processor)
        self.image_tokens = ProvenImageTokens(model, processor, log.warning)
        self._looks_at_images = settings is not None and any(map(needs_image_tokens, settings.probes))
        self._second_look = self._looking()
        self._limit = BatchLimit(log.warning)
        self._several: Forcing | None = None
        self._prefix: SharedPrefix | None = None
        if one_prefill:
            self._several = sharing.shared_prefill(self.forcing, _example(model, processor), self.interventions)
        if shared_prefix:
            looks = self._looks_at_images
            self._prefix = sharing.shared_prefix(model, processor, self.interventions, looks_at_images=looks)
        self._seconds = 0.0
        self._work = Work()

    @property
    def tokenizer(self) -> Any:
        """The processor's."""
        return tokenizer_of(self.processor)

    @functools.cached_property
    def forcing(self) -> Forcing:
        """How given tokens are scored; without the lens the model is asked when the first ones are."""
        if self.lens is not None:
            return self.lens.forcing
        return prove_forcing(self.model, _example(self.model, self.processor))

    @property
    def _forcing_of_several(self) -> Forcing:
        """How several continuations of a prompt are scored; asked of the model when the first ones are."""
        if self._several is None:
            self._several = self.forcing
            if self.forcing.way == STEP_BY_STEP:
                with contextlib.suppress(LensArgumentError):
                    example = _example(self.model, self.processor)
                    self._several = sharing.shared_prefill(self.forcing, example, self.interventions)
        return self._several

    @property
    def ahead(self) -> Ahead | None:
        """What makes and encodes the next batch while the model runs; None where the prompts are not known before."""
        return getattr(self.prompts, "ahead", None) if self._second_look is None else None

    def generate(self, samples: Sequence[Sample], *, observe: bool = True) -> list[Generation]:
        """See `Engine`."""
        shown = [self.shown(sample) for sample in samples]
        return self._limit.answer(shown, functools.partial(self._generate, observe), lambda sample: sample.where)

    @torch.inference_mode()
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
        """See `Engine`."""
        sample = self.shown(sample.under(replacement.images, replacement.videos))
        inputs = self.prompts.encode([sample])
        masks = [self._mask(inputs, sample, replacement.masked)] if replacement.masked else []
        looked_at = self._image_tokens(inputs, sample) if probes and observe and self._looks_at_images else None
        forcing = self.forcing if masks else self._forcing_of_several
        with self._counted(), self._encoded(), self._changed(masks):
            return score_continuations(
                forcing,
                inputs,
                continuations,
                before=before,
                lens=self.lens if observe else None,
                image_tokens=looked_at,
            )

    def score_first(self, samples: Sequence[Sample], tokens: Sequence[int]) -> list[ScoredContinuation]:
        """See `Engine`."""
        asked = list(zip(map(self.shown, samples), tokens, strict=True))
        return self._limit.answer(asked, self._score_first, lambda each: each[0].where)

    @torch.inference_mode()
    def _score_first(self, asked: Sequence[tuple[Sample, int]]) -> list[ScoredContinuation]:
        forcing, lens = self.forcing, self.lens

        def score(rows: Sequence[int]) -> list[ScoredContinuation]:
            inputs = self.prompts.encode([asked[row][0] for row in rows])
            with self._counted(), self._encoded(), self._changed():
                return score_first_tokens(forcing, inputs, [asked[row][1] for row in rows], lens=lens)

        together = encodable_together(self.processor, [len(sample.media.images) for sample, _ in asked])
        return in_order(together, score)

    @torch.inference_mode()
    def look(self, media: Media, question: str) -> TracedGeneration:
        """See `Engine`."""
        if self.lens is None:
            raise CaptureError("the model runs without the lens")
        with unchanged_random_state() as rewind, self._encoded():
            inputs = about(self.processor, media, question).to(self.model.device, self.model.dtype)
            tokens = self._located_media(inputs, [media])
            arguments: dict[str, Any] = {"max_new_tokens": 1, "do_sample": False, "num_beams": 1}
            traced = self.lens.generate(inputs, interventions=self.interventions, image_tokens=tokens, **arguments)
            rewind()
        return traced

    def locate(self, sample: Sample) -> ImageTokens:
        """See `Engine`."""
        sample = self.shown(sample)
        return self._image_tokens(self.prompts.encode([sample]), sample)

    def shown(self, sample: Sample) -> Sample:
        """The sample as the model is shown it, see `lens_engine.engine.as_shown`; once more it stays as it is."""
        look = self._second_look
        if look is None:
            return sample
        with self._counted(), self._encoded():
            return alone(sample.where, lambda: look.shown(sample))

    def take_seconds(self) -> float:
        """Seconds spent in the model's `generate` since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def take_work(self) -> Work | None:
        """See `Engine`."""
        if self.lens is None:
            return None
        work, self._work = self._work, Work()
        return work

    def _encoded(self) -> AbstractContextManager[None]:
        return nullcontext() if self._media is None else self._media.at_hand()

    def _counted(self) -> AbstractContextManager[None]:
        if self.lens is None:
            return nullcontext()
        return work_counted(self._parts, self._work, self._reading, self._media)

    @torch.inference_mode()
    def _generate(self, observe: bool, samples: Sequence[Sample]) -> list[Generation]:
        together = encodable_together(self.processor, [len(sample.media.images) for sample in samples])
        return in_order(together, lambda rows: self._generate_together([samples[row] for row in rows], observe))

    def _generate_together(self, samples: Sequence[Sample], observe: bool) -> list[Generation]:
        traces: list[TracedGeneration | CaptureError | None] = []

        def generate(inputs: Mapping[str, Any], arguments: Mapping[str, Any]) -> Tensor:
            start = time.perf_counter()
            tokens = self.located(inputs, samples) if observe and self._looks_at_images else []
            with ahead_of(self).beside(self._limit.size):
                with self._counted():
                    sequences, trace = self._run(inputs, arguments, observe, tokens)
                self._seconds += time.perf_counter() - start
            traces.append(trace)
            return sequences

        answers = self.prompts.answer(samples, generate)
        trace = traces[-1] if len(traces) == 1 else CaptureError("the batch took several calls of generate()")
        return [Generation(each.text, each.n_tokens, trace, each.row) for each in answers]

    def _mask(self, inputs: Mapping[str, Any], sample: Sample, masked: Sequence[int]) -> Intervention:
        problem = self._video_masking_problem if sample.media.videos else self._masking_problem
        if problem is not None:
            raise MaskingError(problem)
        tokens = self._image_tokens(inputs, sample)
        if not len(tokens) or max(masked) >= len(tokens):
            raise MaskingError(tokens.problem or f"image token {max(masked)} of {len(tokens)} was to be masked")
        return MaskedImageTokens(tokens.positions[list(masked)], tokens.positions)

    def _image_tokens(self, inputs: Mapping[str, Any], sample: Sample) -> ImageTokens:
        """Those of one sample, encoded alone."""
        return self._locate(inputs, [sample])[0]

    @functools.cached_property
    def _masking_problem(self) -> str | None:
        """Why image tokens of this model cannot be masked; asked of the model when the first ones are."""
        return masking_problem(self.model, self._parts, self.image_tokens.locator)

    @functools.cached_property
    def _video_masking_problem(self) -> str | None:
        """The same of the tokens of videos."""
        return masking_problem(self.model, self._parts, self.image_tokens.video_locator)

    def located(self, inputs: Mapping[str, Any], samples: Sequence[Sample]) -> list[ImageTokens]:
        """The image tokens of each row of a batch that `prompts` encoded."""
        by_row = dict(zip(self.prompts.rows(samples), samples, strict=True))
        with unchanged_random_state() as rewind:
            tokens = self._locate(inputs, [by_row[row] for row in range(len(samples))])
            rewind()
        return tokens

    def _locate(self, inputs: Mapping[str, Any], rows: Sequence[Sample]) -> list[ImageTokens]:
        found = self._located_media(inputs, [sample.media for sample in rows])
        return [placed(tokens, sample) for tokens, sample in zip(found, rows, strict=True)]

    def _located_media(self, inputs: Mapping[str, Any], rows: Sequence[Media]) -> list[ImageTokens]:
        pictures = [[image.size for image in media.images] for media in rows]
        videos = [[shape_of(video) for video in media.videos] for media in rows]
        return self.image_tokens.locate(inputs, pictures, videos, [len(media.audios) for media in rows])

    def _run(
        self,
        inputs: Mapping[str, Any],
        arguments: Mapping[str, Any],
        observe: bool,
        image_tokens: Sequence[ImageTokens] = (),
    ) -> tuple[Tensor, TracedGeneration | CaptureError | None]:
        """What `model.generate` returns, and what was observed or why nothing was; a fault of the lens costs no answer.

        A batch that does not fit into memory is the caller's to make smaller. A prompt alone is tried without the lens;
        what fails then too is the model's.
        """
        lens = self.lens
        if lens is None or not observe:
            with self._begun(inputs, arguments) as given:
                return self._plain(given, arguments), None
        with unchanged_random_state() as rewind:
            try:
                with self._encoded(), self._begun(inputs, arguments) as given:
                    traced, problem = attempted(
                        lambda: lens.generate(
                            given, interventions=self.interventions, image_tokens=image_tokens, **arguments
                        )
                    )
            except CaptureError as error:
                rewind()
                return self._plain(inputs, arguments), error
            if traced is not None:
                return traced.sequences, traced
            if len(inputs.get("input_ids", ())) > 1:
                raise MemoryError(problem)
            free_memory()
            rewind()
            why = f"the lens had no memory beside the model ({problem}); the answer is not concerned"
            return self._plain(inputs, arguments), CaptureError(why)

    @contextmanager
    def _begun(self, inputs: Mapping[str, Any], arguments: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The inputs for one call of `generate`, with what their prompt shares with the one before."""
        if self._prefix is None:
            yield inputs
            return
        before = self._prefix.reused
        with self._prefix.shared(inputs, arguments) as given:
            yield given
        self._work.reused = (self._work.reused or 0) + self._prefix.reused - before

    def _plain(self, inputs: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
        with self._encoded(), self._changed():
            return self.model.generate(**inputs, **arguments)

    def _changed(self, more: Sequence[Intervention] = ()) -> AbstractContextManager[None]:
        interventions = [*self.interventions, *more]
        return changed(self._parts, interventions) if interventions else nullcontext()

    def _bound(self, interventions: Sequence[Intervention]) -> tuple[Intervention, ...]:
        """The interventions for this model; those that read its layers need to know what it does to its logits."""
        if not any(each.strength and hasattr(each, "bound") for each in interventions):
            return tuple(interventions)
        example = _example(self.model, self.processor)
        if self.lens is not None:
            transform = self.lens.transform
        else:
            transform = prove_identity(self.model, self._parts, example)[0].transform
        self._reading = Unembedding(self._parts, transform=transform)
        host = host_of(self.model, self.processor, self._reading, example)
        return bound(interventions, host)

    def _looking(self) -> SecondLook | None:
        """What looks at prompts before they are put to the model; None where no intervention asks for it."""
        for each in self.interventions:
            if isinstance(each, Crop) and each.strength:
                return SecondLook(each, self.prompts, self.processor, self._parts, self.image_tokens)
        return None

    @functools.cached_property
    def _parts(self) -> ModelParts:
        return find_parts(self.model) if self.lens is None else self.lens.parts


def _example(model: Any, processor: Any) -> Any:
    return example_inputs(processor).to(model.device, model.dtype)


def _proven_lens(model: Any, processor: Any, settings: LensSettings, log: Any) -> LogitLens:
    lens = LogitLens(model, _example(model, processor), settings, tokenizer=tokenizer_of(processor))
    report = lens.identity
    log.info(
        f"Lens: {lens.parts.describe()}; last layer equals the model's logits within {report.deviation:.1e} of "
        f"their range (allowed {report.tolerance:.1e}, {report.dtype})"
    )
    for name, why in lens.refused_probes.items():
        log.warning(f"Lens: the probe {name} observes nothing of this model: {why}")
    if lens.forcing.refusal:
        log.warning(f"Lens: {lens.forcing.refusal}")
    return lens
