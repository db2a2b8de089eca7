"""`hf-multimodal-lens` for lmms-eval: any Hugging Face vision-language model, with the lens beside its generation."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms
from lmms_eval.models.model_utils.gen_metrics import log_metrics
from loguru import logger
from tqdm import tqdm

from lens_models import Forcing, LogitLens, example_inputs, load_model, prove_forcing
from lens_models.memory import free_memory

from .arguments import ModelArguments
from .evaluation import install
from .placement import place
from .requests import HarnessRequest, batches, normalise
from .responder import Answer, Responder

__all__ = ["HFMultimodalLens", "HFMultimodalLensSimple"]


class HFMultimodalLens(lmms):  # type: ignore[misc]
    """The model class behind `lmms-eval --model hf-multimodal-lens`.

    Takes the arguments of the stock `huggingface` wrapper and the lens's own (`harness_ext.options.LENS_ARGUMENTS`).
    With `lens=False` it is a plain wrapper; texts and scores are the same either way.

    Raises:
        LensArgumentError, ModelLoadError, PartsError, IdentityError: see `lens_models.errors`.
    """

    is_simple = False

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments, self.options = ModelArguments.parse(arguments)
        self.accelerator = Accelerator()
        placement = place(self.accelerator, self.arguments)
        self._rank, self._world_size = placement.rank, placement.world_size
        loaded = load_model(
            self.arguments.pretrained,
            dtype=self.arguments.dtype,
            device=placement.device,
            device_map=placement.device_map,
            attn_implementation=self.arguments.attn_implementation,
            revision=self.arguments.revision,
            trust_remote_code=self.arguments.trust_remote_code,
            allow_pickle=self.arguments.allow_pickle,
            peft=self.arguments.peft,
            quantisation=self.arguments.quantisation,
            processor_kwargs=self.arguments.processor_arguments,
        )
        self._model, self.processor, self._tokenizer = loaded.model, loaded.processor, loaded.tokenizer
        self._config = loaded.model.config
        self._device: torch.device = loaded.model.device
        self.name_or_path, self.revision = loaded.name_or_path, loaded.revision
        self.lens = self._make_lens() if self.options.enabled else None
        self.responder = Responder(self)
        install()

    @functools.cached_property
    def forcing(self) -> Forcing:
        """How given tokens are scored; without the lens the model is asked when the first ones are."""
        return prove_forcing(self._model, self._probe()) if self.lens is None else self.lens.forcing

    def _probe(self) -> Any:
        return example_inputs(self.processor).to(self._device, self._model.dtype)

    def _make_lens(self) -> LogitLens:
        lens = LogitLens(self._model, self._probe(), self.options.settings)
        report = lens.identity
        logger.info(
            f"Lens: {lens.parts.describe()}; last layer equals the model's logits within {report.deviation:.1e} of "
            f"their range (allowed {report.tolerance:.1e}, {report.dtype})"
        )
        if lens.forcing.refusal:
            logger.warning(f"Lens: {lens.forcing.refusal}")
        return lens

    @property
    def config(self) -> Any:
        """The model's configuration."""
        return self._config

    @property
    def tokenizer(self) -> Any:
        """The tokenizer."""
        return self._tokenizer

    @property
    def model(self) -> Any:
        """The model; gone after `clean`."""
        return self._model

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        return self._device

    @property
    def batch_size(self) -> int:
        """Requests a batch in this process."""
        return self.arguments.batch_size

    @property
    def max_length(self) -> int:
        """The harness asks for it; generation is limited by `max_new_tokens` of the task."""
        return self.arguments.max_length

    @property
    def eot_token_id(self) -> Any:
        """End of text."""
        return self.tokenizer.eos_token_id

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Answer each request; the texts come back in the order of the requests."""
        return self.answer(normalise(requests))

    def answer(self, prepared: Sequence[HarnessRequest]) -> list[GenerationResult]:
        """Answer requests whose keys are known; in order."""
        answers: dict[int, Answer] = {}
        place_of = {id(request): i for i, request in enumerate(prepared)}
        with torch.inference_mode():
            for batch in self._progress(batches(prepared, self.batch_size), len(prepared)):
                for request, answer in zip(batch, self.responder.answer(batch), strict=True):
                    answers[place_of[id(request)]] = answer
        self.responder.flush()
        ordered = [answers[i] for i in range(len(prepared))]
        self._log_speed(ordered)
        for request, answer in zip(prepared, ordered, strict=True):
            self.cache_hook.add_partial("generate_until", (answer.prompt, dict(request.generation)), answer.text)
        return [GenerationResult(a.text, TokenCounts(output_tokens=a.n_tokens)) for a in ordered]

    def loglikelihood(self, requests: list[Instance]) -> list[GenerationResult]:
        """Loss of each continuation, the lower the better as lmms-eval's `acc` expects it, and whether it is greedy.

        The pair travels as the text of a result: the evaluator of lmms-eval 0.7.3 turns a bare pair into a string.
        """
        prepared = normalise(requests)
        groups: dict[tuple[str, int, int], list[int]] = {}
        for i, request in enumerate(prepared):
            task, doc_id, _, repeat = request.key
            # a padding request repeats a document that is already there
            groups.setdefault((task, doc_id, -1 if request.padding else repeat), []).append(i)
        results: dict[int, tuple[float, bool]] = {}
        for members in self._progress(iter(groups.values()), len(prepared)):
            scored = self.responder.score([prepared[i] for i in members])
            results.update(zip(members, scored, strict=True))
        self.responder.flush()
        return [GenerationResult(results[i]) for i in range(len(prepared))]

    def generate_until_multi_round(self, requests: list[Instance]) -> list[list[str]]:
        """Answer round after round, as long as the task asks; one list of texts a request."""
        results = []
        for request in self._progress(([each] for each in normalise(requests)), len(requests)):
            results.append([answer.text for answer in self.responder.converse(request[0])])
        self.responder.flush()
        return results

    def clean(self) -> None:
        """Free the model before the harness scores the answers.

        In place of the base class's method, which collects garbage twice, first for models that were handed to the
        accelerator; this one never was.
        """
        self.lens = None
        self.responder.release()
        self.__dict__.pop("forcing", None)
        self.__dict__.pop("_model", None)
        free_memory()

    def _progress(self, groups: Iterator[Sequence[Any]], total: int) -> Iterator[Sequence[Any]]:
        with tqdm(total=total, disable=self.rank != 0, desc="Model Responding", unit="request") as bar:
            for group in groups:
                yield group
                bar.update(len(group))

    def _log_speed(self, answers: Sequence[Answer]) -> None:
        tokens = sum(answer.n_tokens for answer in answers)
        seconds = self.responder.take_seconds()
        log_metrics(
            total_gen_tokens=tokens, total_elapsed_time=seconds, avg_speed=tokens / seconds if seconds > 0 else 0.0
        )


class HFMultimodalLensSimple(HFMultimodalLens):
    """The same model for `--force_simple`: lmms-eval's older request layout, the only one with multiple choice."""

    is_simple = True
