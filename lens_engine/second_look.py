"""The second look of the intervention `crop`: which part of its picture a sample is shown once more."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from lens_models import CaptureError, InputError, LensArgumentError, ModelParts, example_inputs
from lens_models.attention.looking import last_attention
from lens_models.example_input import example_image
from lens_models.generation import unchanged_random_state
from lens_models.image_tokens import ImageTokens, ProvenImageTokens
from lens_models.interventions import Crop
from lens_models.interventions.crop_window import NoGridError, grid_of, window

from .media import Media
from .prompts import Prompts, about
from .relative_attention import GENERIC_PROMPT
from .sample import Look, Sample

__all__ = ["SecondLook", "placed"]

Floats = npt.NDArray[np.float64]
Value = TypeVar("Value")
_KEPT = 1024
"""Looks that are kept: those of a batch are asked for again when it is scored and read."""
_ONE = {"max_new_tokens": 1, "do_sample": False, "num_beams": 1}


@dataclass
class SecondLook:
    """Looks at prompts, and shows them with what was found.

    Attributes:
        crop: of the model.
        prompts: how samples are put to it.
        processor: the model's own.
        parts: of the model.
        image_tokens: locates them.
    """

    crop: Crop
    prompts: Prompts
    processor: Any = field(repr=False)
    parts: ModelParts = field(repr=False)
    image_tokens: ProvenImageTokens = field(repr=False)
    _looks: OrderedDict[Hashable, Look] = field(default_factory=OrderedDict, repr=False)
    _generic: OrderedDict[Hashable, Floats] = field(default_factory=OrderedDict, repr=False)

    def __post_init__(self) -> None:
        """Make sure that it is known where image tokens lie, and that the model takes two pictures.

        Raises:
            LensArgumentError: it is not, or it does not.
        """
        pictures = [example_image(64), example_image(64)]
        with unchanged_random_state() as rewind:
            one = self._located(example_inputs(self.processor, pictures[:1]), Media(tuple(pictures[:1])))
            rewind()
        if not len(one):
            raise LensArgumentError(
                f"crop: where the image tokens of {self.parts.model_class} lie in the picture is not known "
                f"({one.problem})"
            )
        if not self.crop.keep:
            return
        try:
            inputs = example_inputs(self.processor, pictures).to(self._model.device, self._model.dtype)
            tokens = self._located(inputs, Media(tuple(pictures)))
            self._model.generate(**inputs, **_ONE)
        except Exception as error:  # what a processor or model says to a second picture is its own affair
            problem = f"{type(error).__name__}: {str(error)[:200]}"
        else:
            if len(np.unique(tokens.image)) == len(pictures):
                return
            problem = tokens.problem or "the tokens of the second picture are not found"
        raise LensArgumentError(
            f"crop: {self.parts.model_class} is not shown two pictures in one prompt ({problem}); crop:1:keep=0 shows "
            "the part in place of the picture"
        )

    @property
    def _model(self) -> Any:
        return self.parts.model

    def shown(self, sample: Sample) -> Sample:
        """The sample as the model is shown it; `Sample.look` says what was found."""
        if sample.look is not None:
            return sample
        key = (sample.prompt, *sample.media.image_sha256, *sample.media.other_sha256)
        look = _kept(self._looks, key, lambda: self._look(sample))
        if look.box is None:
            return replace(sample, look=look)
        (picture,) = sample.media.images
        part = picture.crop(look.pixels)
        try:
            changed = self.prompts.beside(sample, part) if self.crop.keep else sample.under([part])
        except InputError as error:
            return replace(sample, look=Look(problem=str(error)))
        return replace(changed, look=look, sizes=sample.picture_sizes)

    def _look(self, sample: Sample) -> Look:
        media = sample.media
        if media.other_than_images:
            return Look(problem=f"the prompt has {media.other_than_images}")
        if len(media.images) != 1:
            return Look(problem=f"the prompt has {len(media.images) or 'no'} pictures, and one is looked at")
        (picture,) = media.images
        try:
            with unchanged_random_state() as rewind:
                inputs = self.prompts.encode([sample])
                tokens = self._located(inputs, media)
                grid = grid_of(tokens)
                own = self._attention(inputs, tokens)
                generic = _kept(self._generic, media.image_sha256, lambda: self._about(media))
                rewind()
        except (NoGridError, InputError, CaptureError) as error:
            return Look(problem=str(error))
        if own.shape != generic.shape or not (generic > 0).all():
            return Look(problem="the generic prompt does not attend to every image token")
        box = window((own / generic)[grid.tokens], grid, picture.size, self.crop.side)
        return Look(pixels=box, size=picture.size)

    def _about(self, media: Media) -> Floats:
        inputs = about(self.processor, media, GENERIC_PROMPT).to(self._model.device, self._model.dtype)
        return self._attention(inputs, self._located(inputs, media))

    def _located(self, inputs: Mapping[str, Any], media: Media) -> ImageTokens:
        return self.image_tokens.locate(inputs, [[image.size for image in media.images]])[0]

    @torch.inference_mode()
    def _attention(self, inputs: Mapping[str, Any], tokens: ImageTokens) -> Floats:
        """`[image tokens]`: what the last position of a prompt attends to."""
        block = self.crop.block(self.parts.n_layers)
        seen = last_attention(self.parts, block, lambda: self._model.generate(**inputs, **_ONE))[0]
        if len(seen) != inputs["input_ids"].shape[1]:
            raise CaptureError(f"layer {block} attends to {len(seen)} of {inputs['input_ids'].shape[1]} positions")
        found: Floats = seen.double().cpu().numpy()[tokens.positions]
        return found


def _kept(store: OrderedDict[Hashable, Value], key: Hashable, make: Any) -> Value:
    if key not in store:
        store[key] = make()
    store.move_to_end(key)
    while len(store) > _KEPT:
        store.popitem(last=False)
    return store[key]


def placed(tokens: ImageTokens, sample: Sample) -> ImageTokens:
    """The tokens of a sample's prompt, those of the part that was cut out as a further showing of its picture."""
    look = sample.look
    if look is None or look.box is None or tokens.boxes is None or tokens.view is None:
        return tokens
    part = tokens.image == len(sample.media.images) - 1
    left, top, right, bottom = look.box
    scale = np.asarray([right - left, bottom - top] * 2, dtype=np.float32)
    moved = tokens.boxes * scale + np.asarray([left, top] * 2, dtype=np.float32)
    before = int(tokens.view[~part].max(initial=-1)) + 1
    return replace(
        tokens,
        image=np.zeros_like(tokens.image),
        boxes=np.where(part[:, None], moved, tokens.boxes),
        view=np.where(part, tokens.view + before, tokens.view),
    )
