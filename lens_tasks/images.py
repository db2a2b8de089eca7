"""Images in whatever form a data set hands them over."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

PLACEHOLDER = "<image>"
"""Stands for the image in a prompt: MERA's and lm-eval's convention."""


def to_image(value: Any) -> Image.Image:
    """An RGB image from a PIL image, encoded bytes, a path, or the `{"bytes", "path"}` form of `datasets`.

    Raises:
        ValueError: the value is none of these, or holds neither bytes nor a path.
    """
    if isinstance(value, Image.Image):
        return value.convert("RGB")
    if isinstance(value, Mapping) and (value.get("bytes") or value.get("path")):
        return to_image(value.get("bytes") or value.get("path"))
    if isinstance(value, bytes | bytearray):
        value = BytesIO(bytes(value))
    elif not isinstance(value, str | Path):
        raise ValueError(f"expected an image, its bytes or its path, found {_describe(value)}")
    with Image.open(value) as image:
        return image.convert("RGB")


def _describe(value: Any) -> str:
    return f"a mapping with {sorted(map(str, value))}" if isinstance(value, Mapping) else type(value).__name__
