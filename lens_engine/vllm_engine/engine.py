"""The engine of vLLM: a harness's own code talks to its client, and the workers read the layers beside it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch

from lens_engine.engine import UNCHANGED, BatchTrace, Generation, Replacement, Tokens
from lens_engine.media import Media
from lens_engine.sample import Sample
from lens_models import CaptureError, ForcingError, LensError, LensSettings, MaskingError
from lens_models.continuations import ScoredContinuation
from lens_models.image_tokens import GeometryReport, ImageTokens, ProvenImageTokens
from lens_models.probes import needs_image_tokens
from lens_models.vllm_worker.prompt_states import IMAGES
from lens_models.vllm_worker.steps import SPAN

from .client import MarkingClient, marked
from .lens import Position, VllmLens, VllmTrace
from .observing import embedded_by, probes_of
from .structure import Structure

__all__ = ["VllmEngine", "VllmPrompts"]

log = logging.getLogger(__name__)

Prompt = Mapping[str, Any]
"""A prompt as `LLM.generate` takes it: `prompt` or `prompt_token_ids`, and `multi_modal_data` where there are media."""


class VllmPrompts(Protocol):
    """How one harness puts samples to a client of vLLM."""

    def answer(self, samples: Sequence[Sample], client: MarkingClient) -> list[str]:
        """The answer to each sample, in order, by the harness's own code; its requests reach the client in order."""

    def prompt(self, sample: Sample) -> Prompt:
        """What a sample asks, with the images of its `media`, before the answer."""


class VllmEngine:
    """Answers and scores samples with a client of vLLM; see `lens_engine.engine.Engine`.

    Args:
        client: the `vllm.LLM`.
        processor: the checkpoint's own, which says how pictures become image tokens.
        prompts: how samples are put to it.
        settings: what the lens reads; None runs the client alone.
        sampling_params: `vllm.SamplingParams`.
        log: what the lens found at load.

    Raises:
        LensArgumentError, PartsError, IdentityError, CaptureError: the lens does not read this model exactly.
    """

    interventions = ()

    def __init__(
        self,
        client: Any,
        processor: Any,
        prompts: VllmPrompts,
        settings: LensSettings | None,
        sampling_params: Callable[..., Any],
        *,
        log: Any = log,
    ) -> None:
        self.client = client
        self.prompts = prompts
        self._params = sampling_params
        self._seconds = 0.0
        self.lens = None if settings is None else VllmLens(client, settings)
        if self.lens is None:
            return
        run = embedded_by(self.lens.ask, _answers(client, self.lens, sampling_params), processor)
        self._image_tokens = ProvenImageTokens(Structure(client.model_config.hf_config), processor, log.warning, run)
        looks = any(map(needs_image_tokens, set(self.lens.settings.probes) - set(self.lens.refused_probes)))
        self._more = {IMAGES: 1} if looks else {}
        self.lens.prove(sampling_params(temperature=0, max_tokens=3, min_tokens=3, logprobs=0, detokenize=False))
        report = self.lens.identity
        log.info(
            f"Lens: {self.lens.parts.n_layers} layers in {self.lens.parts.decoder_path} of "
            f"{self.lens.parts.model_class} under vLLM; last layer equals the model's logits within "
            f"{report.deviation:.1e} of their range (allowed {report.tolerance:.1e}, {report.dtype})"
        )
        for name, why in self.lens.refused_probes.items():
            log.warning(f"Lens: the probe {name} observes nothing under vLLM: {why}")

    def generate(self, samples: Sequence[Sample], *, observe: bool = True) -> list[Generation]:
        """See `Engine`; vLLM itself decides what fits into memory."""
        lens = self.lens if observe else None
        if lens is not None:
            lens.forget()
        client = MarkingClient(self.client, None if lens is None else lens.marks, {} if lens is None else self._more)
        start = time.perf_counter()
        texts = self.prompts.answer(samples, client)
        self._seconds += time.perf_counter() - start
        trace = None if lens is None else self._trace(lens, client, samples)
        counts = [len(output.outputs[0].token_ids) for output in client.outputs]
        return [
            Generation(text, count, trace, row) for row, (text, count) in enumerate(zip(texts, counts, strict=True))
        ]

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
        """See `Engine`. The given tokens stand at the prompt's end, and vLLM gives their log-probabilities."""
        if replacement.masked:
            raise MaskingError("image tokens are not masked under vLLM; run such controls with transformers")
        if not all(continuations):
            raise ForcingError("a continuation has no tokens; the tokenizer gives nothing for it")
        prompt = self.prompts.prompt(sample.under(replacement.images, replacement.videos))
        own = self._token_ids(prompt)
        rest = {name: value for name, value in prompt.items() if name not in ("prompt", "prompt_token_ids")}
        lens = self.lens if observe else None
        asked = [{**rest, "prompt_token_ids": [*own, *before, *tokens]} for tokens in continuations]
        marks = [None if lens is None else next(lens.marks) for _ in continuations]
        more = self._more if lens is not None and probes else {}
        params = [self._scoring(mark, len(tokens), more) for mark, tokens in zip(marks, continuations, strict=True)]
        outputs = self.client.generate(asked, params, use_tqdm=False)
        scored = [
            self._scored(output, tokens, mark, lens)
            for output, tokens, mark in zip(outputs, continuations, marks, strict=True)
        ]
        return [self._observed(*each, sample) for each in zip(scored, outputs, marks, strict=True)] if more else scored

    def score_first(self, samples: Sequence[Sample], tokens: Sequence[int]) -> list[ScoredContinuation]:
        """See `Engine`."""
        return [self.score(sample, [(token,)])[0] for sample, token in zip(samples, tokens, strict=True)]

    def look(self, media: Media, question: str) -> BatchTrace:
        """See `Engine`: attention is not read under vLLM.

        Raises:
            CaptureError: always.
        """
        raise CaptureError("attention is not read under vLLM; relative attention is read with transformers")

    def locate(self, sample: Sample) -> ImageTokens:
        """See `Engine`: it is asked for image tokens to mask, and none is masked under vLLM."""
        return ImageTokens.none("image tokens are not masked under vLLM")

    def rendered(self, messages: Any, chat_template: str | None) -> dict[str, Any]:
        """A conversation as the client's `chat` renders it: `prompt`, and `multi_modal_data` where there are media."""
        from vllm.renderers import ChatParams

        settings = ChatParams(
            chat_template=chat_template,
            chat_template_content_format="auto",
            chat_template_kwargs={"add_generation_prompt": True, "continue_final_message": False, "tokenize": False},
        )
        return dict(self.client.renderer.render_messages(messages, settings)[1])

    @property
    def geometry(self) -> GeometryReport:
        """Whether the places of image tokens in a picture are proven; the model is asked when it is first wanted."""
        return self._image_tokens.report

    def take_seconds(self) -> float:
        """Seconds spent in the client since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def take_work(self) -> None:
        """See `Engine`: not counted."""

    def _token_ids(self, prompt: Prompt) -> list[int]:
        if "prompt_token_ids" in prompt:
            return list(prompt["prompt_token_ids"])
        found: list[int] = self.client.get_tokenizer().encode(prompt["prompt"], add_special_tokens=False)
        return found

    def _scoring(self, mark: int | None, n_tokens: int, more: Mapping[str, int]) -> Any:
        # with log-probabilities of the prompt vLLM computes all of its positions, also those that are in its cache
        params = self._params(temperature=0, max_tokens=1, prompt_logprobs=0, detokenize=False)
        return params if mark is None else marked(params, mark, **{SPAN: n_tokens, **more})

    def _scored(self, output: Any, tokens: Tokens, mark: int | None, lens: VllmLens | None) -> ScoredContinuation:
        read = tuple(output.prompt_token_ids[-len(tokens) :])
        if read != tuple(tokens):
            raise ForcingError(
                f"vLLM's own preparation of the prompt ends it with the tokens {read}, expected the given ones "
                f"{tuple(tokens)}; given tokens are not scored for it under vLLM, use hf-multimodal-lens"
            )
        entries = [entry[token] for entry, token in zip(output.prompt_logprobs[-len(tokens) :], tokens, strict=True)]
        own = [float(entry.logprob) for entry in entries]
        greedy = all(entry.rank == 1 for entry in entries)
        layers = residual = None
        if lens is not None and mark is not None:
            lens.ran()
            layers, residual = lens.layer_logprobs(mark, tokens, own), Position(mark, 0, given=True)
        return ScoredContinuation(sum(own), len(tokens), greedy, torch.empty(0), layers, residual)  # type: ignore[arg-type]

    def _trace(self, lens: VllmLens, client: MarkingClient, samples: Sequence[Sample]) -> VllmTrace | CaptureError:
        """What was observed of a batch, or why nothing could be."""
        n_samples = len(samples)
        if len(client.outputs) != n_samples or len(client.marks) != n_samples:
            return CaptureError(f"{len(client.outputs)} requests reached vLLM for {n_samples} samples")
        try:
            located = map(self._located, client.outputs, samples) if self._more else ()
            return lens.trace(client, tuple(located))
        except LensError as error:
            return CaptureError(str(error))

    def _observed(
        self, scored: ScoredContinuation, output: Any, mark: int | None, sample: Sample
    ) -> ScoredContinuation:
        """A score with the probes of its prompt."""
        assert self.lens is not None and mark is not None
        tokens = self._located(output, sample)
        probes = probes_of(self.lens.settings.probes, self.lens.ask, [mark], [tokens])
        return replace(scored, probes=probes, image_tokens=tokens)

    def _located(self, output: Any, sample: Sample) -> ImageTokens:
        """The image tokens of a sample's prompt as vLLM ran through it."""
        if sample.media.other_than_images:
            return ImageTokens.none("tokens of videos and sounds are not located under vLLM")
        inputs = {"input_ids": torch.tensor([output.prompt_token_ids])}
        return self._image_tokens.locate(inputs, [[image.size for image in sample.media.images]])[0]


def _answers(
    client: Any, lens: VllmLens, sampling_params: Callable[..., Any]
) -> Callable[[Prompt, Mapping[str, int]], tuple[int, Any]]:
    """Answers one prompt with a token, marked with more `extra_args`: its mark, and what vLLM answered."""

    def answer(prompt: Prompt, more: Mapping[str, int]) -> tuple[int, Any]:
        mark = next(lens.marks)
        params = marked(sampling_params(temperature=0, max_tokens=1, detokenize=False), mark, **more)
        (output,) = client.generate([prompt], [params], use_tqdm=False)
        return mark, output

    return answer
