"""`hf-multimodal-lens` for lm-eval: its own `hf-multimodal` model, with the lens beside its generation."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lm_eval.models.hf_vlms import DEFAULT_IMAGE_PLACEHOLDER, HFMultimodalLM
from lm_eval.models.utils import replace_placeholders, resize_image

from harness_ext.batch_limit import BatchLimit, within_memory
from harness_ext.encoding_guard import encode_or_name
from harness_ext.options import flag, take_lens_options
from harness_ext.recording import BatchReader, SampleRequest
from harness_ext.task_objects import shadowed
from lens_models import LENS_TINY, Forcing, LogitLens, example_inputs, prove_forcing
from lens_models.encoding import encodable_together
from lens_models.loading import UNLOADABLE, default_device, resolve_pretrained, weights_error
from lens_models.memory import older_objects_set_aside
from lens_models.quantised import QUANTISATION_ARGUMENTS, quantisation_config

from .choices import ChoiceScorer
from .cut_prompts import CutPrompts, cut_alike
from .evaluation import install
from .follower import AnswerFollower, AnswerHook, TracingModel
from .guards import check_arguments, check_instances, check_processes, visuals
from .tagging import TaggedPrompt, TaggedRequest, tag, where, with_tagged_prompt

if TYPE_CHECKING:
    from .run import LensRun

__all__ = ["HFMultimodalLens"]

log = logging.getLogger(__name__)


class HFMultimodalLens(HFMultimodalLM):  # type: ignore[misc]
    """The model class behind `lm-eval-lens --model hf-multimodal-lens`.

    Takes the arguments of `hf-multimodal` and the lens's own (`harness_ext.options.LENS_ARGUMENTS`). Answers are those
    of `hf-multimodal`, whose code runs unchanged; with `lens=False` it is that model. Multiple-choice requests with
    images, which `hf-multimodal` does not answer, are scored by the model's own log-probabilities.

    Raises:
        LensArgumentError, UnknownModelError, PartsError, IdentityError: see `lens_models.errors`.
    """

    _stand_in: TracingModel | None = None
    _follower: AnswerFollower | None = None
    cache_hook: Any
    reader: BatchReader

    def __init__(self, pretrained: Any = LENS_TINY, *, device: str | None = None, **arguments: Any) -> None:
        self.options, own = take_lens_options(arguments)
        self.arguments = {"pretrained": pretrained, "device": device, **own}
        if own.get("trust_remote_code") is not None:
            own["trust_remote_code"] = flag(own["trust_remote_code"], "trust_remote_code")
        if self.options.enabled:
            check_arguments(own)
        self.run: LensRun | None = None
        self.lens: LogitLens | None = None
        self.limit = BatchLimit(log.warning)
        self._cut = CutPrompts(log.warning)
        path = resolve_pretrained(pretrained) if isinstance(pretrained, str) else pretrained
        self.name_or_path = pretrained if isinstance(pretrained, str) else str(pretrained.name_or_path)
        self.path = path if isinstance(path, str) else self.name_or_path
        allow_pickle = flag(own.pop("allow_pickle", False), "allow_pickle")
        if not allow_pickle and isinstance(path, str):
            own.setdefault("use_safetensors", True)
        try:
            super().__init__(path, device=device or str(default_device()), **own)
        except UNLOADABLE as error:
            raise weights_error(self.name_or_path, str(path), error, allow_pickle=allow_pickle) from error
        self.commit: str | None = getattr(self.config, "_commit_hash", None) or own.get("revision")
        if self.options.enabled:
            check_processes(getattr(self, "accelerator", None))
            self.lens = self._make_lens()
            self.reader = BatchReader(self.lens, self.tokenizer, self.options.thresholds)
        install()

    @functools.cached_property
    def forcing(self) -> Forcing:
        """How given tokens are scored; without the lens the model is asked when the first ones are."""
        return prove_forcing(super().model, self._probe()) if self.lens is None else self.lens.forcing

    def _probe(self) -> Any:
        return example_inputs(self.processor).to(self.device, super().model.dtype)

    def _make_lens(self) -> LogitLens:
        lens = LogitLens(super().model, self._probe(), self.options.settings)
        report = lens.identity
        log.info(
            "Lens: %s; last layer equals the model's logits within %.1e of their range (allowed %.1e, %s)",
            lens.parts.describe(), report.deviation, report.tolerance, report.dtype,
        )  # fmt: skip
        if lens.forcing.refusal:
            log.warning("Lens: %s", lens.forcing.refusal)
        return lens

    def _create_model(self, *args: Any, quantization_config: Any = None, **kwargs: Any) -> None:
        """As in `hf-multimodal`; `load_in_8bit` and its kin also work where transformers 5 takes them no more."""
        own = {name: kwargs.pop(name) for name in QUANTISATION_ARGUMENTS if name in kwargs}
        super()._create_model(*args, quantization_config=quantisation_config(own) or quantization_config, **kwargs)

    @property
    def model(self) -> Any:
        """The model; while lm-eval's generation code runs with a lens, its stand-in."""
        return super().model if self._stand_in is None else self._stand_in

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Answer each request as `hf-multimodal` does; during an evaluation the lens records each."""
        if self.lens is not None and self.run is not None:
            return self.answer(tag(requests), disable_tqdm)
        stock = functools.partial(super().generate_until, disable_tqdm=disable_tqdm)
        return self._by_images(requests, lambda rows: stock([requests[row] for row in rows]))

    def answer(self, tagged: Sequence[TaggedRequest], disable_tqdm: bool = False) -> list[str]:
        """Answer and record requests of the evaluation that is under way; their keys are known."""
        lens, run = self.lens, self.run
        assert lens is not None and run is not None
        check_instances(request.instance for request in tagged)

        def read(rows: Sequence[int]) -> list[str]:
            return self._read_answers([tagged[row] for row in rows], lens, run, disable_tqdm)

        return self._by_images([request.instance for request in tagged], read)

    def _by_images(self, instances: Sequence[Any], answer: Callable[[Sequence[int]], Sequence[str]]) -> list[str]:
        """Answers in order; requests whose prompts the processor does not encode together are answered apart."""
        answers: dict[int, str] = {}
        with older_objects_set_aside():  # `hf-multimodal` collects garbage after every batch
            for rows in encodable_together(self.processor, [len(visuals(each)) for each in instances]):
                answers.update(zip(rows, answer(rows), strict=True))
        return [answers[row] for row in range(len(instances))]

    def sample_request(self, request: TaggedRequest) -> SampleRequest:
        """What the lens knows of a request before it is answered, as `answer` would find it."""
        assert self.run is not None
        check_instances([request.instance])
        images = self.fitted(visuals(request.instance))
        return self.run.sample_request(request, self._as_read(request.instance.args[0]), images, "generate")

    def _read_answers(
        self, tagged: Sequence[TaggedRequest], lens: LogitLens, run: LensRun, disable_tqdm: bool
    ) -> list[str]:
        follower = AnswerFollower(lens, self.reader, run, self._as_read, self.limit.fitted)
        with self._followed_by(follower):
            answers = self._followed_answers(tagged, follower, disable_tqdm)
        follower.report_missing(tagged, answers)
        run.recorder.flush()
        return answers

    def _followed_answers(
        self, requests: Sequence[TaggedRequest], follower: AnswerFollower, disable_tqdm: bool
    ) -> list[str]:
        """The harness's answers; when a batch does not fit into memory, what is left is asked in smaller ones."""
        generate = functools.partial(super().generate_until, disable_tqdm=disable_tqdm)
        texts: dict[int, str] = {}
        left = list(requests)
        while left:
            instances = [with_tagged_prompt(request) for request in left]
            answers, problem = within_memory(functools.partial(generate, instances))
            if answers is not None:
                texts.update(zip(map(id, left), answers, strict=True))
                break
            failed = list(follower.under_way) or left[: self.batch_size]
            texts.update((id(request), text) for request in left if (text := follower.text(request)) is not None)
            left = [request for request in left if id(request) not in texts]
            self.batch_size_per_gpu = self.limit.shrink(len(failed), where(failed[0]), problem)
        return [texts[id(request)] for request in requests]

    @contextmanager
    def _followed_by(self, follower: AnswerFollower) -> Iterator[None]:
        hook = self.cache_hook
        self._stand_in, self._follower = TracingModel(super().model, follower), follower
        self.cache_hook = AnswerHook(follower)
        try:
            yield
        finally:
            self._stand_in = self._follower = None
            self.cache_hook = hook

    def tok_batch_multimodal_encode(
        self, strings: Sequence[str], images: Sequence[Sequence[Any]], *args: Any, **kwargs: Any
    ) -> Any:
        """As in `hf-multimodal`; the lens learns which requests make a batch."""
        encode = self._encode_as_stock

        def together(rows: Sequence[int]) -> Any:
            return encode([str(strings[row]) for row in rows], [images[row] for row in rows], *args, **kwargs)

        names = [where(each.request) if isinstance(each, TaggedPrompt) else "a request" for each in strings]
        inputs = encode_or_name(together, names, self.processor)
        cut_alike(inputs)
        if self._follower is not None:
            if inputs["input_ids"].shape[1] >= (kwargs.get("left_truncate_len") or sys.maxsize):
                image_token = getattr(self, "image_token_id", None)
                self._cut.see(inputs, names, lambda row: encode([str(strings[row])], [images[row]]), image_token)

            def alone(row: int, own: Sequence[Any]) -> Any:
                return encode([str(strings[row])], [list(own)], *args, **kwargs)

            self._follower.encoded(strings, [self.shown(own) for own in images], alone)
        return inputs

    def _encode_as_stock(self, strings: list[str], images: list[Any], *args: Any, **kwargs: Any) -> Any:
        encode = functools.partial(super().tok_batch_multimodal_encode, strings, images, *args, **kwargs)
        if any(len(own) for own in images):
            return encode()
        # of prompts without images some processors take no images at all, and stop over the empty lists of lm-eval
        process = self.processor
        with shadowed(self, processor=lambda images, **given: process(**given)):
            return encode()

    def tok_batch_encode(self, strings: Sequence[str], *args: Any, **kwargs: Any) -> Any:
        """As in `hf-multimodal`, for requests without images."""
        encode = super().tok_batch_encode
        encoded = encode([str(string) for string in strings], *args, **kwargs)

        def alone(row: int, _: Sequence[Any]) -> dict[str, Any]:
            ids, mask = encode([str(strings[row])], *args, **kwargs)
            return {"input_ids": ids.to(self.device), "attention_mask": mask.to(self.device)}

        if self._follower is not None:
            self._follower.encoded(strings, [()] * len(strings), alone)
        return encoded

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Log-probability of each continuation and whether it is greedy, with images too."""
        if not requests or len(requests[0].args) < 3:
            return list(super().loglikelihood(requests, disable_tqdm=disable_tqdm))
        check_instances(requests)
        return ChoiceScorer(self).score(requests, disable_tqdm=disable_tqdm)

    def fitted(self, images: Iterable[Any]) -> list[Any]:
        """A document's images as lm-eval shows them to the model: resized, converted, and no more than it takes."""
        sides = (self.image_width, self.image_height, self.image_max_side)
        return self.shown([resize_image(image, *sides) for image in images])

    def shown(self, images: Sequence[Any]) -> list[Any]:
        """Of resized images those that lm-eval shows, as `hf-multimodal` takes them when it encodes a batch."""
        first = images[: self.max_images]
        return [image.convert("RGB") for image in first] if self.rgb else list(first)

    def _as_read(self, prompt: str) -> str:
        """The prompt with the model's own image token, as lm-eval puts it where no chat template did."""
        if self.chat_applied:
            return str(prompt)
        return str(replace_placeholders(str(prompt), DEFAULT_IMAGE_PLACEHOLDER, self.image_token, self.max_images))

    def get_model_info(self) -> dict[str, Any]:
        """What lm-eval writes into its results, and the definition of the lens."""
        info = dict(super().get_model_info())
        if self.lens is not None:
            report = self.lens.identity
            identity = {"deviation": report.deviation, "tolerance": report.tolerance, "dtype": str(report.dtype)}
            info["lens"] = {**self.lens.describe(), "identity": identity}
        return info
