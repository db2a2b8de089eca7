"""What part of a picture each number of a processor's output shows: the processor itself is asked.

Four pictures of one size are encoded: black, white, one that grows brighter to the right, one that grows brighter
downwards. Resizing, cropping, padding, cutting into pieces and rearranging into patches do to them what they do to any
picture of that size, and what a processor does to brightness is linear: a number that is `b` for black, `w` for white
and `v` for the picture that grows to the right shows a place `(v - b) / (w - b)` of the width from the left. A number
that black and white leave alike shows no part of the picture: it is a border.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["Encode", "NoGeometryError", "Shown", "coordinate_pictures", "shown_places"]

Encode = Callable[[Sequence[Image.Image]], Mapping[str, Any]]
"""Pictures -> the inputs of one prompt that shows them, as the processor gives them."""

_PIXELS = ("pixel_values", "image_patches", "flattened_patches", "images")
_GOLDEN = 0.6180339887498949


class NoGeometryError(Exception):
    """Why it is not known which part of a picture an image token stands for."""


@dataclass(frozen=True)
class Shown:
    """Which place of the picture each number of the pixel input shows.

    Attributes:
        name: of the input.
        units: one or several tensors `[..., 2]`: x and y as shares of width and height; NaN in a border. Leading
            axes are those of the pixel input without a first axis of one prompt. Of a video `[..., 3]`: the third is
            the time, 0 in the first frame and 1 in the last.
    """

    name: str
    units: tuple[Tensor, ...]


def coordinate_pictures(size: tuple[int, int]) -> list[Image.Image]:
    """Black, white, brighter to the right, brighter downwards; `size` is (width, height) in pixels.

    The steps between the 256 brightnesses are dithered, so that the mean over a patch is finer than a step.
    """
    width, height = size
    right = _ramp(width, height)
    down = _ramp(height, width).transpose(1, 0, 2)
    flat = [np.full((height, width, 3), value, dtype=np.uint8) for value in (0, 255)]
    return [Image.fromarray(np.ascontiguousarray(each)) for each in (*flat, right, down)]


def _ramp(along: int, across: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    place = 255 * (np.arange(along) + 0.5) / along
    dither = (np.arange(across)[:, None, None] * _GOLDEN + np.arange(3)[None, None, :] / 3) % 1.0
    ramp: np.ndarray[Any, np.dtype[np.uint8]] = np.floor(place[None, :, None] + dither).astype(np.uint8)
    return ramp


def shown_places(shots: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> Shown:
    """The places that the pixel input shows, from the inputs of the four `coordinate_pictures`, or of videos of them.

    Args:
        shots: the inputs of each picture.
        names: of the pixel inputs, for a model that takes its pieces in several, in the order of its image tokens; one
            that is absent is left out. Without names, the first input that changes with the picture.

    Raises:
        NoGeometryError: no input changes with the picture, or not in proportion to its brightness.
    """
    if names:
        found = [shown_places([{name: shot[name]} for shot in shots]) for name in names if _tensors(shots[0].get(name))]
        return Shown("+".join(each.name for each in found), tuple(unit for each in found for unit in each.units))
    for name in (*_PIXELS, *sorted(set(shots[0]) - set(_PIXELS))):
        if name not in shots[0]:
            continue
        parts = [_tensors(shot.get(name)) for shot in shots]
        if not parts[0] or any([p.shape for p in each] != [p.shape for p in parts[0]] for each in parts):
            continue
        if any((black != white).any() for black, white in zip(parts[0], parts[1], strict=True)):
            return Shown(name, tuple(_places(*each) for each in zip(*parts, strict=True)))
    raise NoGeometryError("no input of the model that changes with the picture was found")


def _tensors(value: Any) -> list[Tensor]:
    """The floating-point tensors of a pixel input; a processor may give pictures of several sizes as a list."""
    if isinstance(value, Tensor):
        return [value.float()] if value.is_floating_point() or value.dtype == torch.uint8 else []
    if isinstance(value, list | tuple):
        return list(itertools.chain.from_iterable(_tensors(each) for each in value))
    return []


def _places(black: Tensor, white: Tensor, *growing: Tensor) -> Tensor:
    span = white - black
    size = span.abs()
    span.masked_fill_(size <= 0.05 * size.max(), torch.nan)
    places = torch.stack([(each - black) / span for each in growing], dim=-1)
    lowest, highest = torch.nan_to_num(places, nan=0.5).aminmax()
    if lowest < -0.5 or highest > 1.5:
        raise NoGeometryError("the processor changes a picture by what it shows, not by its place alone")
    return places
