"""`vllm-multimodal-lens` for lmms-eval: its stock vLLM wrapper, with the lens beside its generation."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from lmms_eval.api.instance import GenerationResult, Instance
from lmms_eval.models.chat.vllm import VLLM
from lmms_eval.models.model_utils.gen_metrics import log_metrics
from loguru import logger
from tqdm import tqdm
from transformers import AutoProcessor

from harness_ext.samples import HarnessRequest
from harness_ext.tasks import Tasks
from lens_engine import Generation, Sample, Session
from lens_engine.description import ModelOfRun, argument_defaults
from lens_engine.model_arguments import ModelArguments
from lens_engine.options import take_lens_options
from lens_engine.vllm_engine import MarkingClient, VllmEngine, client_arguments
from lens_models import LENS_TINY
from lens_models.loading import resolve_pretrained

from .evaluation import install
from .rounds import answers_by_round, given
from .samples import normalise
from .vllm_samples import Conversation, VllmSamples

__all__ = ["VLLMMultimodalLens"]


@dataclass(frozen=True)
class OpenedClient:
    """A client of vLLM with its engine, and the session that puts requests to it."""

    engine: VllmEngine
    session: Session
    model_of_run: ModelOfRun | None


class VLLMMultimodalLens(VLLM):  # type: ignore[misc]
    """The model class behind `lmms-eval --model vllm-multimodal-lens`.

    Takes the arguments of the stock `vllm` model and the lens's own (`lens_engine.options.LENS_ARGUMENTS`);
    `pretrained` is `model` as well. With `lens=False` it is the stock model; answers are the same either way.

    Raises:
        LensArgumentError: an argument that the lens does not read vLLM with, such as speculative decoding.
        PartsError, IdentityError: see `lens_models.errors`.
    """

    def __init__(self, model: str | None = None, pretrained: str | None = None, **arguments: Any) -> None:
        from vllm import SamplingParams

        self.options, rest = take_lens_options(arguments)
        name = model or pretrained or LENS_TINY
        path = resolve_pretrained(name)
        self.arguments = SimpleNamespace(pretrained=name, system_prompt=None, reasoning_prompt=None, **rest)
        super().__init__(model=path, **client_arguments(rest, self.options))
        self.processor = AutoProcessor.from_pretrained(
            path, trust_remote_code=bool(rest.get("trust_remote_code", True))
        )
        self.tokenizer = self.client.get_tokenizer()
        self.tasks = Tasks()
        settings = self.options.settings if self.options.enabled else None
        engine = VllmEngine(self.client, self.processor, _Prompts(self), settings, SamplingParams, log=logger)
        self.opened = OpenedClient(
            engine, Session(engine, self.batch_size_per_gpu), _described(self, engine, name, path)
        )
        install()

    @property
    def lens(self) -> Any:
        """The proven lens; None with `lens=False`."""
        return self.opened.engine.lens

    @property
    def argument_defaults(self) -> dict[str, Any]:
        """Argument -> its default."""
        return argument_defaults(VLLM)

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Answer each request; the results come back in the order of the requests."""
        maker = self._maker()
        asked = normalise(requests)
        with tqdm(total=len(asked), disable=self.rank != 0, desc="Model Responding") as bar:
            generations = self.opened.session.generate([maker.request(each) for each in asked], bar.update)
        if not self.disable_log_stats:
            self._log_speed()
        return [_result(generation) for generation in generations]

    def generate_until_multi_round(self, requests: list[Instance]) -> list[list[str]]:
        """Answer round after round, as long as the task asks; one list of texts a request."""
        session, maker = self.opened.session, self._maker()
        return [list(answers_by_round(session, maker, _without_until(asked))) for asked in normalise(requests)]

    def converse(self, asked: HarnessRequest, messages: Any) -> Conversation:
        """A request as the stock wrapper sends it."""
        request = SimpleNamespace(
            arguments=(asked.context, functools.partial(given, messages), asked.generation, *_place(asked))
        )
        return Conversation(*self.make_one_request(request))

    def _maker(self) -> VllmSamples:
        return VllmSamples(
            self.processor, ModelArguments(), self.task_dict, self.tasks, converse=self.converse, render=self.render
        )

    def render(self, conversation: Conversation) -> dict[str, Any]:
        """What vLLM makes of a conversation: `prompt`, and its pictures in `multi_modal_data`."""
        found: dict[str, Any] = self.opened.engine.rendered(conversation.messages, self.chat_template)
        return found

    def _log_speed(self) -> None:
        found = self.get_format_metrics()
        tokens, seconds = found["generation_tokens"], self.opened.engine.take_seconds()
        log_metrics(
            total_gen_tokens=tokens,
            total_elapsed_time=seconds,
            avg_speed=tokens / seconds if seconds > 0 else 0,
            additional_metrics={"ttft": found["ttft"], "tpot": found["tpot"], "rank": self.rank},
        )


class _Prompts:
    """Puts samples to the client as the stock wrapper does."""

    def __init__(self, model: VLLMMultimodalLens) -> None:
        self._model = model

    def answer(self, samples: Sequence[Sample], client: MarkingClient) -> list[str]:
        """See `VllmPrompts`."""
        from vllm import SamplingParams

        def run(conversations: Sequence[Conversation]) -> list[str]:
            outputs = client.chat(
                messages=[each.messages for each in conversations],
                sampling_params=[SamplingParams(**each.params) for each in conversations],
                chat_template=self._model.chat_template,
            )
            return [output.outputs[0].text for output in outputs]

        texts: list[str] = self._model._run_tp_synced([sample.source for sample in samples], run)
        return texts

    def prompt(self, sample: Sample) -> dict[str, Any]:
        """See `VllmPrompts`: as the client's `chat` renders it, with the sample's own images."""
        found = self._model.render(sample.source)
        if sample.media.images:
            found["multi_modal_data"] = {**found.get("multi_modal_data", {}), "image": list(sample.media.images)}
        return found


def _described(model: VLLMMultimodalLens, engine: VllmEngine, name: str, path: str) -> ModelOfRun | None:
    if engine.lens is None:
        return None
    revision = getattr(model.arguments, "revision", None)
    return ModelOfRun(engine.lens, model.options, model.processor, name, path, revision, model.rank)


def _place(asked: HarnessRequest) -> tuple[int, str, str | None]:
    return asked.doc_id, asked.task, asked.split


def _without_until(asked: HarnessRequest) -> HarnessRequest:
    """The stock wrapper leaves `until` out of the arguments of rounds."""
    return replace(asked, generation={name: value for name, value in asked.generation.items() if name != "until"})


def _result(generation: Generation) -> Any:
    return GenerationResult(text=generation.text, token_counts=None)
