"""Turn conversations with images and videos into model inputs, with clear errors for what cannot be read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from .errors import InputError

__all__ = ["UNREADABLE", "encode_texts", "move_inputs", "open_image", "render_chat"]

Conversation = Sequence[Mapping[str, Any]]
UNREADABLE = (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError)
"""What Pillow raises for bytes that are no image, a damaged one, or one too large to be meant."""


def open_image(image: object, *, where: str) -> Image.Image:
    """A readable RGB image from a PIL image, a path or encoded bytes.

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
    except UNREADABLE as error:
        raise InputError(f"{where}: the image cannot be read ({error}); check or remove this sample") from error


def _opened(image: object, where: str) -> Image.Image:
    if isinstance(image, bytes):
        return Image.open(BytesIO(image))
    if isinstance(image, str | os.PathLike):
        return Image.open(image)
    if isinstance(image, Image.Image):
        return image
    raise InputError(f"{where}: expected an image, a path or encoded bytes, found {type(image).__name__}")


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow's own conversion clips at 255, which turns a 16-bit grey picture white
        grey = np.asarray(image, dtype=np.int64)
        grey = grey // 257 if grey.max() > 255 else grey
        return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


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
    images: Sequence[object] = (),
    videos: Sequence[object] = (),
    audios: Sequence[object] = (),
    **kwargs: Any,
) -> Any:
    """Left-padded model inputs of a batch of prompts and all their media in order of appearance."""
    media = {"images": list(images), "videos": list(videos), "audio": list(audios)}
    given = {name: values for name, values in media.items() if values}
    tokenizer = getattr(processor, "tokenizer", processor)
    tokenizer.padding_side = "left"
    return processor(text=list(texts), padding=True, return_tensors="pt", **given, **kwargs)


def move_inputs(inputs: Any, device: torch.device, dtype: torch.dtype | None = None) -> Any:
    """Inputs on the model's device; images in the model's float dtype when one is given, as `BatchFeature.to` does."""
    return inputs.to(device) if dtype is None else inputs.to(device, dtype)
