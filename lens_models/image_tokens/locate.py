"""Which positions of an encoded batch are image tokens, and which part of which picture each stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from lens_models.errors import InputError
from lens_models.example_input import example_inputs

from .coordinates import NoGeometryError, coordinate_pictures, shown_places
from .families import PIXELS, image_token_ids, refusal, rule, without_tokens
from .layouts import Layout, Places
from .tokens import ImageTokens

__all__ = ["ImageTokenLocator", "Size", "locate_image_tokens"]

Size = tuple[int, int]
"""(width, height) of a picture in pixels."""
_MOST_SIZES = 512  # kept at a time, the oldest go
_NO_IMAGE_TOKEN = "no position of the prompt holds the token that stands for a part of an image"


class ImageTokenLocator:
    """Finds the image tokens of a model's prompts; what was found of a size of pictures is kept.

    Args:
        model: in eval mode; it is not run.
        processor: the model's own, as prompts are encoded with it.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        self._ids = image_token_ids(model, processor)
        self._layouts: dict[Size, Layout | str] = {}

    def encode(self, pictures: Sequence[Image.Image]) -> Mapping[str, Any]:
        """The inputs of one prompt with these pictures, as the processor gives them.

        Raises:
            InputError: the processor encodes no prompt with an image.
        """
        inputs: Mapping[str, Any] = example_inputs(self.processor, pictures)
        return inputs

    def locate(self, inputs: Mapping[str, Any], sizes: Sequence[Sequence[Size]]) -> list[ImageTokens]:
        """The image tokens of each row of an encoded batch.

        Args:
            inputs: what the model is given, left-padded.
            sizes: (width, height) in pixels of the pictures of each row, in order of the prompt.
        """
        ids = inputs.get("input_ids")
        if not isinstance(ids, Tensor) or len(ids) != len(sizes):
            problem = "the inputs hold no tokens of a prompt for each row"
            return [ImageTokens.none(problem) if own else ImageTokens.none() for own in sizes]
        return [self._row(np.asarray(row), list(own)) for row, own in zip(ids.cpu().tolist(), sizes, strict=True)]

    def _row(self, ids: npt.NDArray[np.int64], sizes: list[Size]) -> ImageTokens:
        positions = self.slots(ids)
        if not sizes:
            return ImageTokens.none() if not len(positions) else ImageTokens.none("image tokens of no picture")
        if (why := without_tokens(self.model)) or not len(positions):
            return ImageTokens.none(why or refusal(self.model) or _NO_IMAGE_TOKEN)
        layouts = [self.layout(size) for size in sizes]
        problem = next((each for each in layouts if isinstance(each, str)), None)
        if problem is not None:
            return _without_boxes(positions, len(sizes), problem)
        known = [each for each in layouts if isinstance(each, Layout)]
        slots = [len(each.kept) for each in known]
        if sum(slots) != len(positions):
            problem = f"{len(positions)} image tokens, and {'+'.join(map(str, slots))} by the sizes of the pictures"
            return _without_boxes(positions, len(sizes), problem)
        kept = np.concatenate([each.kept for each in known])
        return ImageTokens(
            positions[kept],
            np.repeat(np.arange(len(known)), [len(each.boxes) for each in known]),
            np.concatenate([each.boxes for each in known]).astype(np.float32),
            view=np.concatenate([each.view for each in known]),
        )

    def slots(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The positions of a row that hold the model's image token, ends of rows of the same token included."""
        for each in self._ids:
            found = np.flatnonzero(ids == each)
            if len(found):
                return found.astype(np.int64)
        return np.zeros(0, dtype=np.int64)

    def layout(self, size: Size) -> Layout | str:
        """How a picture of a size lies in its image tokens, or why that is not known."""
        if size not in self._layouts:
            if len(self._layouts) >= _MOST_SIZES:
                del self._layouts[next(iter(self._layouts))]
            self._layouts[size] = self._layout(size)
        return self._layouts[size]

    def _layout(self, size: Size) -> Layout | str:
        try:
            return refusal(self.model) or self._find_layout(size)
        except (NoGeometryError, InputError) as error:
            return str(error)
        except Exception as error:  # what a processor makes of a picture of an unusual size is its own affair
            return f"the picture could not be traced: {type(error).__name__}: {str(error)[:200]}"

    def _find_layout(self, size: Size) -> Layout:
        shots = [self.encode([picture]) for picture in coordinate_pictures(size)]
        ids = [torch.as_tensor(shot["input_ids"]) for shot in shots]
        if any(not torch.equal(each, ids[0]) for each in ids):
            raise NoGeometryError("the prompt depends on what a picture shows, not on its size alone")
        slots = len(self.slots(ids[0][0].numpy()))
        if not slots:
            raise NoGeometryError(_NO_IMAGE_TOKEN)
        places = Places(shown_places(shots, PIXELS.get(self.model.config.model_type, ())), slots, self.model, shots[0])
        return rule(self.model.config.model_type)(places)


def _without_boxes(positions: npt.NDArray[np.int64], n_pictures: int, problem: str) -> ImageTokens:
    """Positions alone: of several pictures it is not known where one ends, so they are told apart only if it is one."""
    if n_pictures > 1:
        return ImageTokens.none(problem)
    return ImageTokens(positions, np.zeros_like(positions), None, problem)


def locate_image_tokens(
    model: Any, processor: Any, inputs: Mapping[str, Any], image_sizes: Sequence[Sequence[Size]]
) -> list[ImageTokens]:
    """The image tokens of each row of an encoded, left-padded batch; `ImageTokenLocator` keeps what it found.

    Args:
        model: in eval mode; it is not run.
        processor: the model's own.
        inputs: what the model is given.
        image_sizes: (width, height) in pixels of the pictures of each row, in order of the prompt.
    """
    return ImageTokenLocator(model, processor).locate(inputs, image_sizes)
