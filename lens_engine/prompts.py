"""How samples are put to a model: encoded, generated with, decoded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from lens_models import InputError, example_inputs
from lens_models.audio import audio_arguments
from lens_models.encoding import encode_texts, end_token_ids, tokenizer_of
from lens_models.example_input import example_video_inputs
from lens_models.generation import generated_columns
from lens_models.picture_marks import doubled_mark, picture_marks
from lens_models.video import video_arguments

from .ahead import Ahead
from .encoding_guard import ContextWatch, SoundWatch, encode_or_name
from .media import Media
from .sample import Sample

__all__ = [
    "Answer",
    "Generate",
    "GeneratingModel",
    "ProcessorPrompts",
    "Prompts",
    "about",
    "generate_arguments",
]

Generate = Callable[[Mapping[str, Any], Mapping[str, Any]], Tensor]
"""(encoded batch, further arguments of `model.generate`) -> the sequences that it returns."""

_DEFAULTS: dict[str, Any] = {"max_new_tokens": 4096, "temperature": 0.0, "top_p": None, "num_beams": 1}


@dataclass(frozen=True)
class Answer:
    """What a model said to one sample of a batch.

    Attributes:
        text: the answer.
        n_tokens: tokens that were generated, padding included.
        row: the sample's row of the encoded batch.
    """

    text: str
    n_tokens: int
    row: int


class Prompts(Protocol):
    """How one harness puts samples to a model of transformers."""

    def encode(self, samples: Sequence[Sample]) -> Mapping[str, Any]:
        """Left-padded model inputs of a batch, on the model's device."""

    def answer(self, samples: Sequence[Sample], generate: Generate) -> list[Answer]:
        """The answer to each sample, in order; calls `generate` once."""

    def rows(self, samples: Sequence[Sample]) -> Sequence[int]:
        """Which row of the batch that `answer` has encoded each sample is."""

    def beside(self, sample: Sample, picture: Image.Image) -> Sample:
        """A sample about one picture with a second one behind it.

        Raises:
            InputError: its prompt has no place for it.
        """


def about(processor: Any, media: Media, question: str) -> Any:
    """An encoded prompt with a question about pictures, or about one video, by chat template.

    Raises:
        InputError: there is neither, or more than that.
    """
    if media.images and not media.other_than_images:
        return example_inputs(processor, media.images, question)
    if len(media.videos) == 1 and not media.images and not media.audios:
        return example_video_inputs(processor, media.videos[0], question)
    raise InputError("a generic prompt is put to pictures alone, or to one video")


class GeneratingModel:
    """Stands for a model in a harness's own code; all but `generate`, which is the engine's, is the model's own."""

    n_tokens = 0
    """Tokens that the last call generated, padding included."""
    new_tokens: Sequence[Sequence[int]] = ()
    """They themselves, row by row."""

    def __init__(self, model: Any, generate: Generate) -> None:
        self._model = model
        self._generate = generate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, **arguments: Any) -> Any:
        """What the model's `generate` returns."""
        inputs = {name: value for name, value in arguments.items() if isinstance(value, Tensor)}
        rest = {name: value for name, value in arguments.items() if name not in inputs}
        sequences = self._generate(inputs, rest)
        self.n_tokens = int(sequences.shape[1] - inputs["input_ids"].shape[1])
        self.new_tokens = sequences[:, sequences.shape[1] - self.n_tokens :].tolist()
        return sequences


class ProcessorPrompts:
    """Prompts encoded by the checkpoint's own processor, generated with as lmms-eval's stock wrapper does.

    Args:
        model: what answers; it is asked for its device, dtype and generation configuration.
        processor: the model's own.
        use_cache: the key-value cache of generation.
        warn: is called, once each, with a prompt longer than the model's context and a sound longer than it hears.

    `ahead` makes and encodes the next batch while the model runs, unless that runs on the processor.
    """

    def __init__(self, model: Any, processor: Any, *, use_cache: bool, warn: Callable[[str], object]) -> None:
        self._model = model
        self._processor = processor
        self._tokenizer = tokenizer_of(processor)
        self._use_cache = use_cache
        self._context = ContextWatch(model.config, warn)
        self._sounds = SoundWatch(processor, warn)
        self.ahead = Ahead(processor, _encoded, on=torch.device(model.device).type != "cpu")

    def encode(self, samples: Sequence[Sample]) -> Any:
        """See `Prompts`. Raises `InputError` for a sample that cannot be encoded, by its name."""
        where = [sample.where for sample in samples]
        inputs = encode_or_name(lambda rows: self._encode([samples[row] for row in rows]), where, self._processor)
        self._context.see(inputs, where)
        self._sounds.see(inputs, [sample.media.audios for sample in samples], where)
        return inputs

    def _encode(self, samples: Sequence[Sample]) -> Any:
        inputs = self.ahead.taken(samples)
        inputs = _encoded(self._processor, samples) if inputs is None else inputs
        return inputs.to(self._model.device, self._model.dtype)

    def rows(self, samples: Sequence[Sample]) -> Sequence[int]:
        """See `Prompts`."""
        return range(len(samples))

    @functools.cached_property
    def _marks(self) -> dict[str, str]:
        return picture_marks(self._processor)

    def beside(self, sample: Sample, picture: Image.Image) -> Sample:
        """See `Prompts`."""
        media = replace(sample.media, images=(*sample.media.images, picture))
        return replace(sample, prompt=doubled_mark(sample.prompt, self._marks), media=media)

    def answer(self, samples: Sequence[Sample], generate: Generate) -> list[Answer]:
        """See `Prompts`."""
        inputs = self.encode(samples)
        settings = generate_arguments(samples[0].generation, self._model, self._tokenizer, use_cache=self._use_cache)
        new = generated_columns(generate(inputs, settings), inputs)
        texts = self._processor.batch_decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return [Answer(text, int(new.shape[1]), row) for row, text in enumerate(texts)]


def _encoded(processor: Any, samples: Sequence[Sample]) -> Any:
    """On the host; it may run in a thread of its own."""
    return encode_texts(
        processor,
        [sample.prompt for sample in samples],
        images=[sample.media.images for sample in samples],
        **audio_arguments(processor, [sound for sample in samples for sound in sample.media.audios]),
        **video_arguments(processor, [video for sample in samples for video in sample.media.videos]),
    )


def generate_arguments(task: Mapping[str, Any], model: Any, tokenizer: Any, *, use_cache: bool) -> dict[str, Any]:
    """Arguments of `model.generate`, as lmms-eval's stock `huggingface` wrapper derives them.

    Sampling only with a positive temperature, whatever `do_sample` says. `until` ends nothing and cuts nothing: the
    wrapper leaves it out, so answers are scored whole, also those with the `["\\n\\n"]` that lmms-eval writes into
    tasks without generation arguments. Unlike the wrapper, which knows the tokenizer's end token alone, a text also
    ends at the other ones that the checkpoint names; the wrapper's text runs on behind them.
    """
    chosen = {**_DEFAULTS, **task}
    sampled = bool(chosen["temperature"]) and chosen["temperature"] > 0
    ends = end_token_ids(getattr(model, "generation_config", None), tokenizer)
    return {
        "eos_token_id": ends[0] if len(ends) == 1 else list(ends) or None,
        "pad_token_id": tokenizer.pad_token_id,
        "do_sample": sampled,
        "temperature": chosen["temperature"] if sampled else None,
        "top_p": chosen["top_p"] if sampled else None,
        "num_beams": chosen["num_beams"],
        "max_new_tokens": chosen["max_new_tokens"],
        "use_cache": use_cache,
    }
