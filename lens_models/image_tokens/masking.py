"""Take image tokens away from a model's decoder, and make sure that nothing of the picture gets there another way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from lens_models.interventions import changed
from lens_models.parts import ModelParts
from lens_models.video import Video

from .locate import ImageTokenLocator
from .video_layout import VideoShape
from .video_tokens import VideoTokenLocator

__all__ = ["MaskedImageTokens", "masking_problem"]

Ints = npt.NDArray[np.int64]

_SIZE = (224, 224)
_FRAMES = 4


@dataclass(frozen=True)
class MaskedImageTokens:
    """Some image tokens of a prompt of one row become the mean of all of them; their positions stay.

    The mean keeps what all image tokens have in common: zeros
    would be an input that the decoder has never seen.

    Attributes:
        positions: of the tokens that are masked, in the sequence that the decoder layers see.
        among: of all image tokens, which the mean is taken of.
        zero: put zeros in their place instead, which no picture has a part in; for `masking_problem`.
    """

    positions: Ints = field(repr=False)
    among: Ints = field(repr=False)
    zero: bool = False
    name: str = "masked_image_tokens"

    @property
    def strength(self) -> float:
        """The share of the image tokens that is masked."""
        return len(self.positions) / max(1, len(self.among))

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        """Change what goes into the first decoder layer; passes over single tokens that are generated stay."""
        handle = parts.layers[0].register_forward_pre_hook(self._masked, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def _masked(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hidden: Tensor = args[0] if args else kwargs["hidden_states"]
        if hidden.shape[1] <= self.among.max(initial=-1):
            return None  # a step with the cache
        hidden = hidden.clone()
        mean = hidden[:, self.among].float().mean(dim=1, keepdim=True).to(hidden.dtype)
        hidden[:, self.positions] = torch.zeros_like(mean) if self.zero else mean
        return ((hidden, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": hidden})


@torch.inference_mode()
def masking_problem(model: Any, parts: ModelParts, locator: ImageTokenLocator | VideoTokenLocator) -> str | None:
    """Why masking the image tokens does not take the picture, or the video, away from this model; None where it does.

    Two prompts that differ in what they show alone must give the same logits when all image tokens are zeros. They do
    not where layers are given the picture again later on (DeepStack), by cross-attention, or beside the embeddings.

    Args:
        model: in eval mode.
        parts: of it.
        locator: of pictures or of videos, whichever is asked about.
    """
    prompts = [inputs.to(model.device, model.dtype) for inputs in _prompts(locator)]
    slots = [locator.slots(_ids(inputs)) for inputs in prompts]
    if not len(slots[0]) or len(slots[0]) != len(slots[1]):
        return _problem(locator, prompts[0]) or "the example prompt has no image tokens"
    with_picture = [_last_logits(model, inputs, parts) for inputs in prompts]
    without = [_last_logits(model, inputs, parts, own) for inputs, own in zip(prompts, slots, strict=True)]
    if torch.equal(with_picture[0], with_picture[1]):
        return "the logits do not depend on the picture, so nothing can be seen of a mask"
    if torch.equal(without[0], without[1]):
        return None
    return (
        "with all image tokens at zero the logits still depend on the picture: it reaches the layers another way "
        "(DeepStack, cross-attention). Mask pixels instead: lens_causal_by=pixels"
    )


def _prompts(locator: ImageTokenLocator | VideoTokenLocator) -> list[Any]:
    if isinstance(locator, ImageTokenLocator):
        return [locator.encode([Image.fromarray(each)]) for each in _noise((2, *_SIZE[::-1], 3))]
    return [locator.encode(Video(each)) for each in _noise((2, _FRAMES, *_SIZE[::-1], 3))]


def _problem(locator: ImageTokenLocator | VideoTokenLocator, inputs: Mapping[str, Any]) -> str | None:
    if isinstance(locator, ImageTokenLocator):
        return locator.locate(inputs, [[_SIZE]])[0].problem
    return locator.locate(_ids(inputs), [VideoShape(_FRAMES, *_SIZE)]).problem


def _ids(inputs: Mapping[str, Any]) -> Ints:
    found: Ints = inputs["input_ids"][0].cpu().numpy()
    return found


def _last_logits(model: Any, inputs: Mapping[str, Any], parts: ModelParts, slots: Ints | None = None) -> Tensor:
    masks = [] if slots is None else [MaskedImageTokens(slots, slots, zero=True)]
    with changed(parts, masks):
        return model(**inputs).logits[0, -1]  # type: ignore[no-any-return]


def _noise(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
