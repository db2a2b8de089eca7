"""`hf-multimodal-lens` for lmms-eval: any Hugging Face vision-language model, with the lens beside its generation."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms
from lmms_eval.models.model_utils.gen_metrics import log_metrics
from loguru import logger
from tqdm import tqdm

from harness_ext.tasks import Tasks
from lens_engine import Generation
from lens_engine.model_arguments import ModelArguments
from lens_engine.opening import OpenedModel, open_model
from lens_engine.sample import Choices
from lens_models.memory import free_memory

from .evaluation import install
from .rounds import answers_by_round
from .samples import LmmsEvalSamples, normalise

__all__ = ["HFMultimodalLens", "HFMultimodalLensSimple"]


class HFMultimodalLens(lmms):  # type: ignore[misc]
    """The model class behind `lmms-eval --model hf-multimodal-lens`.

    Takes the arguments of the stock `huggingface` wrapper and the lens's own (`lens_engine.options.LENS_ARGUMENTS`).
    With `lens=False` it is a plain wrapper; texts and scores are the same either way.

    Raises:
        LensArgumentError, ModelLoadError, PartsError, IdentityError: see `lens_models.errors`.
    """

    is_simple = False

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments, self.options = ModelArguments.parse(arguments)
        self.opened: OpenedModel | None = open_model(self.arguments, self.options, logger, encode_once=True)
        self.tasks = Tasks()
        loaded, placement = self.opened.loaded, self.opened.placement
        self._rank, self._world_size = placement.rank, placement.world_size
        self.processor, self.tokenizer, self.config = loaded.processor, loaded.tokenizer, loaded.model.config
        self.device = loaded.model.device
        self.batch_size, self.max_length = self.arguments.batch_size, self.arguments.max_length
        install()

    @property
    def lens(self) -> Any:
        """The proven lens; None with `lens=False` and after `clean`."""
        return None if self.opened is None else self.opened.engine.lens

    @property
    def argument_defaults(self) -> dict[str, Any]:
        """Argument -> its default."""
        return ModelArguments.defaults()

    @property
    def model(self) -> Any:
        """The model. Raises `AttributeError` after `clean`."""
        return self._open().loaded.model

    @property
    def eot_token_id(self) -> Any:
        """End of text."""
        return self.tokenizer.eos_token_id

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Answer each request; the results come back in the order of the requests."""
        maker = self._maker()
        asked = normalise(requests)
        with self._progress(len(asked)) as bar:
            generations = self._open().session.generate([maker.request(each) for each in asked], bar.update)
        self._log_speed(generations)
        for each, generation in zip(asked, generations, strict=True):
            self.cache_hook.add_partial("generate_until", (each.context, dict(each.generation)), generation.text)
        return [_result(generation) for generation in generations]

    def loglikelihood(self, requests: list[Instance]) -> list[GenerationResult]:
        """Loss of each continuation, the lower the better as lmms-eval's `acc` expects it, and whether it is greedy.

        The pair travels as the text of a result: the evaluator of lmms-eval 0.7.3 turns a bare pair into a string.
        """
        asked, maker = normalise(requests), self._maker()

        def choices_of(places: Sequence[int]) -> Choices:
            return maker.choices([asked[place] for place in places])

        with self._progress(len(asked)) as bar:
            scored = self._open().session.score([each.choice_set for each in asked], choices_of, bar.update)
        return [GenerationResult((each.loss, each.greedy)) for each in scored]

    def generate_until_multi_round(self, requests: list[Instance]) -> list[list[str]]:
        """Answer round after round, as long as the task asks; one list of texts a request."""
        session, maker = self._open().session, self._maker()
        return [list(answers_by_round(session, maker, asked)) for asked in normalise(requests)]

    def clean(self) -> None:
        """Free the model before the harness scores the answers.

        In place of the base class's method, which collects garbage twice. One pass over the objects of all imported
        libraries takes some tenths of a second, and a model that nothing refers to any more is gone without.
        """
        if self.opened is None:
            return
        model = weakref.ref(self.opened.loaded.model)
        self.opened.session.release()
        self.opened = None
        free_memory(collect=model() is not None)

    def _open(self) -> OpenedModel:
        if self.opened is None:
            raise AttributeError("the model was freed by clean()")
        return self.opened

    def _maker(self) -> LmmsEvalSamples:
        return LmmsEvalSamples(self.processor, self.arguments, self.task_dict, self.tasks)

    def _progress(self, total: int) -> Any:
        return tqdm(total=total, disable=self.rank != 0, desc="Model Responding", unit="request")

    def _log_speed(self, generations: list[Generation]) -> None:
        tokens = sum(generation.n_tokens or 0 for generation in generations)
        seconds = self._open().engine.take_seconds()
        speed = tokens / seconds if seconds > 0 else 0.0
        log_metrics(total_gen_tokens=tokens, total_elapsed_time=seconds, avg_speed=speed)


class HFMultimodalLensSimple(HFMultimodalLens):
    """The same model for `--force_simple`: lmms-eval's older request layout, the only one with multiple choice."""

    is_simple = True


def _result(generation: Generation) -> Any:
    """The harness's form of an answer; one of an earlier run is its text alone, as from the harness's own cache."""
    if generation.n_tokens is None:
        return generation.text
    return GenerationResult(generation.text, TokenCounts(output_tokens=generation.n_tokens))
