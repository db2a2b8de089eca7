"""Turn conversations with images and videos into model inputs, with clear errors for what cannot be read."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from transformers.image_utils import load_image

from .errors import InputError
from .memory import is_out_of_memory

__all__ = [
    "UNREADABLE",
    "encodable_together",
    "encode_texts",
    "end_token_ids",
    "open_image",
    "render_chat",
    "tokenizer_of",
]

Conversation = Sequence[Mapping[str, Any]]
_ADDRESSES = ("http://", "https://", "data:image/")
UNREADABLE = (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError)
"""What Pillow raises for bytes that are no image, a damaged one, or one too large to be meant."""


def open_image(image: object, *, where: str) -> Image.Image:
    """A readable RGB image from a PIL image, a path, an address, encoded bytes or an array `[height, width, 3]`.

    A file is turned as its EXIF entry says, as processors do that open it themselves; a PIL image is taken as it is.
    Palette, CMYK and animated images become their (first) frame in RGB, 16-bit greys are scaled to 8 bits; an RGB image
    is returned as it is.

    Raises:
        InputError: names `where` the image came from and what is wrong with it.
    """
    try:
        opened = _opened(image, where)
        opened.load()
        if min(opened.size) < 1:
            raise InputError(f"{where}: the image is empty ({opened.size[0]}x{opened.size[1]})")
        return opened if opened.mode == "RGB" else _as_rgb(opened)
    except FileNotFoundError as error:
        raise InputError(
            f"{where}: there is no file {error.filename}, seen from {Path.cwd()}. Give the whole path, or one that "
            "starts in that folder."
        ) from error
    except UNREADABLE as error:
        raise InputError(f"{where}: the image cannot be read ({error}); check or remove this sample") from error


def _opened(image: object, where: str) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, np.ndarray):
        return Image.fromarray(image)
    if isinstance(image, str) and image.startswith(_ADDRESSES):
        return _fetched(image, where)
    if isinstance(image, bytes):
        return _upright(Image.open(BytesIO(image)))
    if isinstance(image, str | os.PathLike):
        return _upright(Image.open(os.fspath(image).removeprefix("file://")))
    raise InputError(f"{where}: expected an image, a path or encoded bytes, found {type(image).__name__}")


def _fetched(address: str, where: str) -> Image.Image:
    try:
        fetched: Image.Image = load_image(address)
        return fetched
    except Exception as error:  # what the client of the installed transformers raises is its own affair
        raise InputError(f"{where}: the image {address[:100]} cannot be fetched ({error})") from error


def _upright(image: Image.Image) -> Image.Image:
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow's own conversion clips at 255, which turns a 16-bit grey picture white
        grey = np.asarray(image, dtype=np.int64)
        grey = grey // 257 if grey.max() > 255 else grey
        return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def tokenizer_of(processor: Any) -> Any:
    """The tokenizer of a processor; one that takes text alone is a tokenizer itself."""
    return getattr(processor, "tokenizer", processor)


def render_chat(processor: Any, conversation: Conversation) -> str:
    """The prompt text of one conversation, by the model's own chat template, with the generation prompt.

    Raises:
        InputError: the checkpoint has no chat template.
    """
    try:
        return str(processor.apply_chat_template(list(conversation), tokenize=False, add_generation_prompt=True))
    except ValueError as error:
        if "chat template" not in str(error) and "chat_template" not in str(error):
            raise
        raise InputError(
            "this checkpoint has no chat template, so a conversation cannot be turned into a prompt. Use an "
            "instruction-tuned checkpoint, or put a chat_template.jinja into the model folder."
        ) from error


def encode_texts(
    processor: Any,
    texts: Sequence[str],
    *,
    images: Sequence[Sequence[object]] = (),
    videos: Sequence[object] = (),
    **kwargs: Any,
) -> Any:
    """Left-padded model inputs of a batch of prompts and their media.

    Args:
        processor: the model's own.
        texts: the prompts.
        images: the images of each prompt, in order of appearance; nothing where no prompt has any.
        videos: all videos, in order of appearance.
        kwargs: further arguments of the processor, those of sounds among them (`lens_models.audio`).
    """
    given = {"videos": list(videos)} if videos else {}
    tokenizer_of(processor).padding_side = "left"
    # sounds are padded as the family's processor does by itself, some of them always to a fixed length
    padding: dict[str, Any] = {"text_kwargs": {"padding": True}} if "audio" in kwargs else {"padding": True}
    call = functools.partial(processor, text=list(texts), return_tensors="pt", **padding, **given, **kwargs)
    return _with_images(call, [list(own) for own in images])


def _with_images(call: Callable[..., Any], images: list[list[object]]) -> Any:
    """All images in one list, as the harnesses' wrappers give them; a list a prompt where the processor wants that.

    Some processors (Gemma 3, Mllama) take the one list for the images of a single prompt. For others (LLaVA-OneVision)
    a list a prompt means pictures shown together, which are cut into fewer pieces: so it is only the second choice.
    """
    together = [image for own in images for image in own]
    if not together:
        return call()
    try:
        return call(images=together)
    except Exception as error:  # what a processor raises for the wrong form is its own affair
        if len(images) == 1 or is_out_of_memory(error):
            raise
        return call(images=images)


def encodable_together(processor: Any, n_images: Sequence[int]) -> list[list[int]]:
    """Rows of a batch in groups that may be encoded and generated together.

    Where images enter by cross-attention, a row without any still attends to the padding that stands for them beside a
    row with some, and its answer changes; such rows go apart. All rows are one group otherwise.
    """
    rows = range(len(n_images))
    if "cross_attention_mask" not in getattr(processor, "model_input_names", ()):
        return [list(rows)]
    parts = [row for row in rows if n_images[row]], [row for row in rows if not n_images[row]]
    return [part for part in parts if part]


def end_token_ids(config: Any, tokenizer: Any) -> tuple[int, ...]:
    """Ids that end a generated text: the tokenizer's, then those of the generation configuration, if there is one.

    Chat checkpoints name several (end of turn, end of text), and their tokenizer one of them.
    """
    ids: dict[int, None] = {}
    for value in (getattr(tokenizer, "eos_token_id", None), getattr(config, "eos_token_id", None)):
        named = [] if value is None else [value] if isinstance(value, int) else value
        ids.update(dict.fromkeys(int(each) for each in named))
    return tuple(ids)
