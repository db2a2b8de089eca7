"""Images without content, of the size of real ones."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

__all__ = ["blank_images"]

_MID_GREY = (128, 128, 128)


def blank_images(images: Sequence[Image.Image]) -> tuple[Image.Image, ...]:
    """A uniform mid-grey RGB image of the same width and height for each image."""
    return tuple(Image.new("RGB", image.size, _MID_GREY) for image in images)
