"""`hf-multimodal-lens` for lm-eval: its own `hf-multimodal` model, with the lens beside its generation."""

from __future__ import annotations

import copy
import functools
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lm_eval.api.model import CacheHook
from lm_eval.models.utils import replace_placeholders, resize_image
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText

from lens_engine import Media, Request, Sample, Session, TransformersEngine
from lens_engine.batching import in_order
from lens_engine.description import ModelOfRun
from lens_engine.encoding_guard import SoundWatch, TruncationWatch, encode_or_name, truncate_alike
from lens_engine.options import flag, take_lens_options
from lens_engine.placement import place_in_group, require_whole_layers, tensor_parallel
from lens_engine.prompts import Answer, Generate, GeneratingModel
from lens_models import LENS_TINY, InputError
from lens_models.auto_classes import class_of
from lens_models.encoding import encodable_together
from lens_models.loading import UNLOADABLE, default_device, resolve_pretrained, weights_error
from lens_models.memory import older_objects_set_aside
from lens_models.picture_marks import doubled_mark, picture_marks
from lens_models.quantised import QUANTISATION_ARGUMENTS, quantisation_config
from lens_models.shadowing import shadowed
from lens_tasks.images import PLACEHOLDER

from .chat_history import is_history
from .evaluation import install
from .media import OtherMedia, given_media, processing, request_of, rewritten, take_video_arguments
from .requests import LensRequests, rows_of
from .samples import LmEvalSamples
from .stock import multimodal_class

__all__ = ["HFMultimodalLens"]

log = logging.getLogger(__name__)
Stock: Any = multimodal_class()


class HFMultimodalLens(LensRequests, Stock):  # type: ignore[misc]
    """The model class behind `lm-eval-lens --model hf-multimodal-lens`.

    Takes the arguments of `hf-multimodal` and the lens's own (`lens_engine.options.LENS_ARGUMENTS`). Answers are those
    of `hf-multimodal`, whose code runs unchanged on each batch while the engine generates in its model's place; with
    `lens=False` it is that model. Multiple-choice requests with images, which `hf-multimodal` does not answer, are
    scored by the model's own log-probabilities.

    Raises:
        LensArgumentError, UnknownModelError, PartsError, IdentityError: see `lens_models.errors`.
    """

    _generating: GeneratingModel | None = None

    def __init__(self, pretrained: Any = LENS_TINY, *, device: str | None = None, **arguments: Any) -> None:
        self.options, own = take_lens_options(arguments)
        self.arguments = {"pretrained": pretrained, "device": device, **own}
        if own.get("trust_remote_code") is not None:
            own["trust_remote_code"] = flag(own["trust_remote_code"], "trust_remote_code")
        together = self.options.enabled and tensor_parallel(own)
        path = resolve_pretrained(pretrained) if isinstance(pretrained, str) else pretrained
        self.name_or_path = pretrained if isinstance(pretrained, str) else str(pretrained.name_or_path)
        self.path = path if isinstance(path, str) else self.name_or_path
        allow_pickle = flag(own.pop("allow_pickle", False), "allow_pickle")
        if not allow_pickle and isinstance(path, str):
            own.setdefault("use_safetensors", True)
        sampling, as_images = take_video_arguments(own)
        self._sets_up(path, own)
        try:
            super().__init__(path, device=device or str(default_device()), **own)
        except UNLOADABLE as error:
            raise weights_error(self.name_or_path, str(path), error, allow_pickle=allow_pickle) from error
        self.commit: str | None = getattr(self.config, "_commit_hash", None) or own.get("revision")
        settings = self.options.settings if self.options.enabled else None
        if settings is not None:
            require_whole_layers(getattr(self, "accelerator", None), "parallelize=True")
        self.process = place_in_group(self.world_size) if together else 0
        self._truncation = TruncationWatch(log.warning)
        self._sounds = SoundWatch(self.processor, log.warning)
        self._batch: Sequence[Sample] = ()
        self._encoding: Mapping[str, Any] = {}
        self._rows: list[int] = []
        changes = self.options.interventions
        engine = TransformersEngine(
            super().model,
            self.processor,
            self,
            settings,
            interventions=changes,
            encode_once=True,
            one_prefill=self.options.one_prefill,
            shared_prefix=self.options.shared_prefix,
            shared_vision=self.options.shared_vision,
            log=log,
        )
        self.session = Session(engine, self.batch_size, self.batches)
        other = OtherMedia(
            self.processor,
            self.config.model_type,
            sampling,
            as_images,
            in_chat=lambda: self.chat_applied,
            image_token=lambda: self.image_token,
        )
        self.other = other
        self.maker = LmEvalSamples(self.fitted, self._as_read, self.tokenizer, other)
        install()

    @property
    def model_of_run(self) -> ModelOfRun:
        """What the records say of the model; it has a lens."""
        assert self.lens is not None
        changes = self.session.engine.interventions
        model = self.lens, self.options, self.processor, self.name_or_path, self.path, self.commit, self.rank
        return ModelOfRun(*model, changes)

    @property
    def model(self) -> Any:
        """The model; while lm-eval's code answers a batch, what generates in its place."""
        return super().model if self._generating is None else self._generating

    def _sets_up(self, path: Any, own: dict[str, Any]) -> None:
        """Load what `hf-multimodal` has no class for: models that take sounds and no images."""
        if not isinstance(path, str):
            return
        try:
            names = ("revision", "trust_remote_code")
            config = AutoConfig.from_pretrained(path, **{name: own[name] for name in names if name in own})
        except (OSError, ValueError):  # lm-eval says what is wrong
            return
        cls = class_of(config)
        if cls is None or cls is AutoModelForImageTextToText:
            return
        self.AUTO_MODEL_CLASS = cls
        own.setdefault("backend", "causal")  # transformers lists some of them as sequence-to-sequence models
        own.setdefault("image_string", PLACEHOLDER)

    def _create_model(self, *args: Any, quantization_config: Any = None, **kwargs: Any) -> None:
        """As in `hf-multimodal`; `load_in_8bit` and its kin also work where transformers 5 takes them no more."""
        own = {name: kwargs.pop(name) for name in QUANTISATION_ARGUMENTS if name in kwargs}
        super()._create_model(*args, quantization_config=quantisation_config(own) or quantization_config, **kwargs)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Answer each request as `hf-multimodal` does; during an evaluation with a lens each is recorded."""
        with older_objects_set_aside():  # `hf-multimodal` collects garbage after every batch
            if self.session.recording is None and not any(map(_not_stock, requests)):
                return self._stock(requests, disable_tqdm)
            return self.recorded(requests, disable_tqdm)

    def _stock(self, requests: Sequence[Any], disable_tqdm: bool) -> list[str]:
        """`hf-multimodal` alone; requests that the processor does not encode together are answered apart."""
        answer = functools.partial(super().generate_until, disable_tqdm=disable_tqdm)
        together = encodable_together(self.processor, [len(given_media(each).images) for each in requests])
        return in_order(together, lambda rows: answer([requests[row] for row in rows]))

    def batches(self, requests: Sequence[Request], size: Any) -> Iterator[Sequence[int]]:
        """See `LensRequests`; `auto` is the size that lm-eval finds."""
        return super().batches(requests, size if isinstance(size, int) else self._detect_batch_size())

    def encode(self, samples: Sequence[Sample]) -> Mapping[str, Any]:
        """See `lens_engine.prompts.Prompts`: as the batch of the samples was encoded, one by one or together."""
        texts = [_text(sample) for sample in samples]
        cut = self._encoding if samples[0].kind == "generate" else {}
        if len(samples[0].source.args) > 2:
            images = [list(sample.media.images) for sample in samples]
            where = [sample.where for sample in samples]
            media = [sample.media for sample in samples]
            encoded: Mapping[str, Any] = self._encoded(texts, images, where, media, **cut)
            return encoded
        ids, mask = super().tok_batch_encode(texts, **cut)
        return {"input_ids": ids.to(self.device), "attention_mask": mask.to(self.device)}

    def answer(self, samples: Sequence[Sample], generate: Generate) -> list[Answer]:
        """See `lens_engine.prompts.Prompts`: lm-eval's own code, with the engine in the place of its model."""
        generating = GeneratingModel(super().model, generate)
        # answers are kept with their records, under keys that include the model, and not by the harness's hook
        with shadowed(self, _batch=samples, _generating=generating, cache_hook=CacheHook(None)):
            texts = super().generate_until([request_of(sample) for sample in samples], disable_tqdm=True)
        if self.other.keeps_stop_sequences and any(sample.media.audios for sample in samples):
            texts = [self.tok_decode(generating.new_tokens[row]) for row in self._rows]
        return [Answer(text, generating.n_tokens, row) for text, row in zip(texts, self._rows, strict=True)]

    def rows(self, samples: Sequence[Sample]) -> Sequence[int]:
        """See `lens_engine.prompts.Prompts`: lm-eval may have sorted the batch."""
        return self._rows

    def tok_batch_multimodal_encode(
        self, strings: Sequence[str], images: Sequence[Sequence[Any]], *args: Any, **kwargs: Any
    ) -> Any:
        """As in `hf-multimodal`; errors name the document, and a prompt that loses a part of its images is refused."""
        samples = self._under_way(strings, kwargs)
        if not samples:
            nothing = [Media()] * len(strings)
            return self._encoded(list(strings), images, ["a request"] * len(strings), nothing, *args, **kwargs)
        where, media = [each.where for each in samples], [each.media for each in samples]
        return self._encoded([_text(each) for each in samples], images, where, media, *args, **kwargs)

    def tok_batch_encode(self, strings: Sequence[str], *args: Any, **kwargs: Any) -> Any:
        """As in `hf-multimodal`, for requests without images."""
        self._under_way(strings, kwargs)
        return super().tok_batch_encode(strings, *args, **kwargs)

    def beside(self, sample: Sample, picture: Image.Image) -> Sample:
        """See `lens_engine.prompts.Prompts`: in the request that lm-eval's own code is given too."""
        images = [*sample.media.images, picture]
        marks = {**picture_marks(self.processor), PLACEHOLDER: f"{PLACEHOLDER}\n{PLACEHOLDER}"}
        if len(images) > self.max_images:
            raise InputError(f"max_images={self.max_images} lets the model see no second picture")
        changed = replace(
            sample, prompt=doubled_mark(sample.prompt, marks), media=replace(sample.media, images=tuple(images))
        )
        if rewritten(sample):
            return changed
        source, (text, *rest) = copy.copy(sample.source), sample.source.args[:2]
        source.arguments = (doubled_mark(text, marks), *rest, {**sample.source.args[2], "visual": images})
        return replace(changed, source=source)

    def _under_way(self, strings: Sequence[str], settings: Mapping[str, Any]) -> list[Sample]:
        """Keep how the batch that is under way is encoded; the samples of its rows."""
        if not self._batch:
            return []
        self._encoding, self._rows = dict(settings), rows_of([each.source.args[0] for each in self._batch], strings)
        by_row = dict(zip(self._rows, self._batch, strict=True))
        return [by_row[row] for row in range(len(strings))]

    def _encoded(
        self,
        texts: list[str],
        images: Sequence[Sequence[Any]],
        where: Sequence[str],
        media: Sequence[Media],
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if any(each.other_than_images for each in media):
            kwargs.pop("left_truncate_len", None)  # lm-eval's class for sounds cuts nothing, and a part is no sound

        def together(rows: Sequence[int], *args: Any, **kwargs: Any) -> Any:
            shown, beside = [images[row] for row in rows], [media[row] for row in rows]
            return self._as_stock([texts[row] for row in rows], shown, beside, *args, **kwargs)

        inputs = encode_or_name(lambda rows: together(rows, *args, **kwargs), where, self.processor)
        truncate_alike(inputs)
        self._sounds.see(inputs, [each.audios for each in media], where)
        if self._batch and inputs["input_ids"].shape[1] >= (kwargs.get("left_truncate_len") or sys.maxsize):
            self._truncation.see(inputs, where, lambda row: together([row]), getattr(self, "image_token_id", None))
        return inputs

    def _as_stock(self, strings: list[str], images: list[Any], media: list[Media], *args: Any, **kwargs: Any) -> Any:
        encode = functools.partial(super().tok_batch_multimodal_encode, strings, images, *args, **kwargs)
        if any(len(own) for own in images) and not any(each.other_than_images for each in media):
            return encode()
        with shadowed(self, processor=processing(self.processor, media)):
            return encode()

    def fitted(self, images: Iterable[Any]) -> list[Any]:
        """A document's images as lm-eval shows them to the model: resized, converted, and no more than it takes."""
        sides = (self.image_width, self.image_height, self.image_max_side)
        first = [resize_image(image, *sides) for image in images][: self.max_images]
        return [image.convert("RGB") for image in first] if self.rgb else first

    def _as_read(self, prompt: str) -> str:
        """The prompt with the model's own image token, as lm-eval puts it where no chat template did."""
        if self.chat_applied:
            return str(prompt)
        return str(replace_placeholders(str(prompt), PLACEHOLDER, self.image_token, self.max_images))


def _text(sample: Sample) -> str:
    """What lm-eval's code is given as the prompt; it puts image tokens in itself."""
    return sample.prompt if rewritten(sample) else str(sample.source.args[0])


def _not_stock(request: Any) -> bool:
    """Whether `hf-multimodal` cannot answer a request."""
    return is_history(request) or not given_media(request).as_stock
