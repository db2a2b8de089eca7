"""A small real input with an image, for the identity check when a model is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from PIL import Image

from .audio import Sound, audio_arguments, sampling_rate_of
from .encoding import encode_texts, render_chat
from .errors import InputError
from .video import Video, video_arguments

__all__ = [
    "example_batch",
    "example_image",
    "example_inputs",
    "example_sound",
    "example_sound_inputs",
    "example_texts",
    "example_video_inputs",
]

_QUESTION = "Is there a circle in the image?"


def example_image(size: int = 224) -> Image.Image:
    """A deterministic RGB picture: a colour gradient with a bright disc."""
    y, x = np.mgrid[0:size, 0:size] / size
    disc = ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.06)[..., None]
    pixels = np.stack([x, y, 1 - x], axis=-1) * 0.7 + 0.3 * disc
    return Image.fromarray((pixels * 255).astype(np.uint8))


def example_sound(seconds: float = 0.5, rate: int = 16_000, pitch: float = 440) -> Sound:
    """A deterministic sound: a tone of `pitch` Hz and, fading in, one of three times as many."""
    time = np.arange(int(seconds * rate)) / rate
    samples = 0.4 * np.sin(2 * np.pi * pitch * time) + 0.3 * time / seconds * np.sin(6 * np.pi * pitch * time)
    return Sound(samples.astype(np.float32), rate)


def example_inputs(processor: Any, images: Sequence[Image.Image] = (), question: str = _QUESTION) -> Any:
    """One prompt with images, encoded as the processor wants it: by chat template, else by its image token.

    Args:
        processor: the model's own.
        images: what the prompt shows; without any, one example picture, or an example sound where it takes no picture.
        question: its text.

    Raises:
        InputError: none of the ways works; names each way and its error.
    """
    if not images and getattr(processor, "image_processor", None) is None and sampling_rate_of(processor) is not None:
        return example_sound_inputs(processor, [example_sound()])
    return _encoded(processor, [list(images) or [example_image()]], question, "no prompt with an image")


def example_batch(processor: Any, images: Sequence[Image.Image], question: str = _QUESTION) -> Any:
    """A batch of prompts with one image each, encoded as `example_inputs` does.

    Raises:
        InputError: none of the ways works; names each way and its error.
    """
    return _encoded(processor, [[image] for image in images], question, "no batch of prompts with images")


def example_texts(processor: Any, images: Sequence[Image.Image], question: str = _QUESTION) -> Iterator[str]:
    """The text of such a prompt as each way writes it that works for a processor, in the order of `example_inputs`."""
    for text_of in _WAYS.values():
        with suppress(*_REFUSALS):
            yield text_of(processor, list(images), question)


def _encoded(processor: Any, shown: Sequence[list[Image.Image]], question: str, what: str) -> Any:
    """A prompt for each list of images, all written in the first way that works; `what` says what is none otherwise."""
    failures = []
    for way, text_of in _WAYS.items():
        try:
            return encode_texts(processor, [text_of(processor, images, question) for images in shown], images=shown)
        except _REFUSALS as error:
            failures.append(f"{way}: {error}")
    raise InputError(f"{type(processor).__name__} encoded {what} ({'; '.join(failures)})")


def _chat_text(processor: Any, images: list[Image.Image], question: str) -> str:
    content = [*({"type": "image", "image": image} for image in images), {"type": "text", "text": question}]
    return render_chat(processor, [{"role": "user", "content": content}])


def _image_token_text(processor: Any, images: list[Image.Image], question: str) -> str:
    token = getattr(processor, "image_token", None) or getattr(processor.tokenizer, "image_token", None)
    if not token:
        raise InputError("the processor names no image token")
    return f"{' '.join([token] * len(images))} {question}"


def _text_alone(processor: Any, images: list[Image.Image], question: str) -> str:
    return question


_WAYS = {"by_chat": _chat_text, "by_image_token": _image_token_text, "by_text_alone": _text_alone}
"""How a prompt with images is written, in the order in which it is tried."""
_REFUSALS = (InputError, ValueError, TypeError, AttributeError, KeyError, IndexError)


def example_video_inputs(processor: Any, video: Video, question: str = _QUESTION) -> Any:
    """One prompt with a video, encoded as the processor wants it: by chat template, else by its video token.

    Args:
        processor: the model's own.
        video: what the prompt shows.
        question: its text.

    Raises:
        InputError: neither way works; names both and their errors.
    """
    told = video_arguments(processor, [video])
    return _with(processor, told, [{"type": "video", "video": "video"}], "video", question)


def example_sound_inputs(processor: Any, sounds: Sequence[Sound], question: str = "What is there to hear?") -> Any:
    """One prompt with sounds, encoded as the processor wants it: by chat template, else by its audio token.

    Args:
        processor: the model's own.
        sounds: what the prompt plays.
        question: its text.

    Raises:
        InputError: neither way works; names both and their errors.
    """
    told = audio_arguments(processor, sounds)
    return _with(processor, told, [{"type": "audio", "audio": "sound"}] * len(sounds), "audio", question)


def _with(processor: Any, told: dict[str, Any], parts: list[dict[str, str]], kind: str, question: str) -> Any:
    content, failures = [*parts, {"type": "text", "text": question}], []
    ways: dict[str, Callable[[], str]] = {
        "by chat": lambda: render_chat(processor, [{"role": "user", "content": content}]),
        f"by {kind} token": lambda: " ".join([getattr(processor, f"{kind}_token")] * len(parts) + [question]),
    }
    for way, text in ways.items():
        try:
            return encode_texts(processor, [text()], **told)
        except (InputError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            failures.append(f"{way}: {error}")
    raise InputError(f"{type(processor).__name__} encoded no prompt with {_NAMED[kind]} ({'; '.join(failures)})")


_NAMED = {"video": "a video", "audio": "a sound"}
