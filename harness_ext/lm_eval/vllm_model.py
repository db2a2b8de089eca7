"""`vllm-multimodal-lens` for lm-eval: its own `vllm-vlm` model, with the lens beside its generation."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from lm_eval.api.model import CacheHook
from lm_eval.models.utils import resize_image
from lm_eval.models.vllm_vlms import VLLM_VLM
from vllm import SamplingParams

from lens_engine import Sample, Session
from lens_engine.description import ModelOfRun
from lens_engine.options import flag, take_lens_options
from lens_engine.vllm_engine import MarkingClient, VllmEngine, client_arguments
from lens_models import LENS_TINY, LensArgumentError
from lens_models.loading import resolve_pretrained
from lens_models.shadowing import shadowed

from .evaluation import install
from .media import request_of
from .requests import LensRequests, rows_of
from .samples import LmEvalSamples

__all__ = ["VLLMMultimodalLens"]

log = logging.getLogger(__name__)
_BATCH = 256
"""Requests whose layers are kept at a time where lm-eval would put all of them to vLLM at once (`batch_size=auto`)."""


class VLLMMultimodalLens(LensRequests, VLLM_VLM):  # type: ignore[misc]
    """The model class behind `lm-eval-lens --model vllm-multimodal-lens`.

    Takes the arguments of `vllm-vlm` and the lens's own (`lens_engine.options.LENS_ARGUMENTS`). Answers are those of
    `vllm-vlm`, whose code runs unchanged; with `lens=False` it is that model. Multiple-choice requests with images,
    which `vllm-vlm` does not answer, are scored by vLLM's own log-probabilities.

    Raises:
        LensArgumentError: an argument that the lens does not read vLLM with.
        PartsError, IdentityError: see `lens_models.errors`.
    """

    def __init__(self, pretrained: str = LENS_TINY, **arguments: Any) -> None:
        self.options, own = take_lens_options(arguments)
        self.arguments = {"pretrained": pretrained, **own}
        if self.options.enabled and int(own.get("data_parallel_size", 1)) > 1:
            raise LensArgumentError(
                "data_parallel_size > 1: lm-eval makes a vLLM of its own for each part of the requests, which the lens "
                "does not see; use tensor_parallel_size, or lens=False"
            )
        if own.get("trust_remote_code") is not None:
            own["trust_remote_code"] = flag(own["trust_remote_code"], "trust_remote_code")
        self.name_or_path, self.path = pretrained, resolve_pretrained(pretrained)
        self.commit: str | None = own.get("revision")
        super().__init__(pretrained=self.path, **client_arguments(own, self.options))
        self._batch: Sequence[Sample] = ()
        self._rows: list[int] = []
        settings = self.options.settings if self.options.enabled else None
        engine = VllmEngine(self.model, self.processor, self, settings, SamplingParams, log=log)
        size = self.batch_size if isinstance(self.batch_size, int) else _BATCH
        self.session = Session(engine, size, self.batches)
        self.maker = LmEvalSamples(self.fitted, str, self.tokenizer)
        install()

    @property
    def model_of_run(self) -> ModelOfRun:
        """What the records say of the model; it has a lens."""
        assert self.lens is not None
        return ModelOfRun(self.lens, self.options, self.processor, self.name_or_path, self.path, self.commit, self.rank)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Answer each request as `vllm-vlm` does; during an evaluation with a lens each is recorded."""
        if self.session.recording is None:
            return list(super().generate_until(requests, disable_tqdm=disable_tqdm))
        return self.recorded(requests, disable_tqdm)

    def answer(self, samples: Sequence[Sample], client: MarkingClient) -> list[str]:
        """See `VllmPrompts`: lm-eval's own code, with each request marked; it may sort them."""
        # answers are kept with their records, under keys that include the model, and not by the harness's hook
        with shadowed(self, _batch=samples, _rows=[], model=client, cache_hook=CacheHook(None)):
            texts = super().generate_until([request_of(sample) for sample in samples], disable_tqdm=True)
            client.reorder(self._rows)
        return list(texts)

    def prompt(self, sample: Sample) -> dict[str, Any]:
        """See `VllmPrompts`: as `vllm-vlm` writes it, tokenized as vLLM tokenizes text."""
        found = dict(super().tok_batch_multimodal_encode([sample.source.args[0]], [list(sample.media.images)])[0])
        if not sample.media.images:
            del found["multi_modal_data"]
        return {**found, "prompt_token_ids": self.tokenizer.encode(found.pop("prompt"))}

    def tok_batch_multimodal_encode(self, strings: Sequence[str], *args: Any, **kwargs: Any) -> Any:
        """As in `vllm-vlm`; the order of the batch that is under way is kept."""
        if self._batch:
            self._rows[:] = rows_of([sample.source.args[0] for sample in self._batch], strings)
        return super().tok_batch_multimodal_encode(list(strings), *args, **kwargs)

    def fitted(self, images: Iterable[Any]) -> list[Any]:
        """A document's images as `vllm-vlm` shows them to the model: resized, and no more than it takes."""
        sides = (self.image_width, self.image_height, self.image_max_side)
        return [resize_image(image, *sides) for image in images][: self.max_images]
