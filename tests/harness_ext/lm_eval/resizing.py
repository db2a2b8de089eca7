"""Whether the lm-eval that is installed can resize images."""

from __future__ import annotations

import functools

from lm_eval.models.utils import resize_image
from PIL import Image


@functools.cache
def resizing_works() -> bool:
    try:
        resize_image(Image.new("RGB", (64, 64)), max_dimension=32)
    except ValueError:  # lm-eval 0.4.9 names a filter that newer versions of Pillow do not know
        return False
    return True
