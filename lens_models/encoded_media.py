"""A picture, a video or a sound is encoded once for all prompts about it that follow each other."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .encoder_calls import number_of_pictures
from .peft_adapters import model_itself
from .shadowing import shadowed

__all__ = ["KEPT_BYTES", "PICTURES", "EncodedMedia", "bytes_of", "same_inputs"]

PICTURES = "get_image_features"
_ENCODERS = (PICTURES, "get_video_features", "get_audio_features")
KEPT_BYTES = 2**25
_KEPT_INPUTS = 8  # those of a sample and of its controls; on a device each comparison waits for it


@dataclass(frozen=True)
class _Kept:
    encoder: str
    given: Any
    gave: Any
    size: int


class EncodedMedia:
    """What the encoders of a model gave for the last inputs, to be given again for the same ones.

    Inputs are the same where every number of them is, so what a prompt sees is what its encoder gives. Several
    questions about one picture, the choices of a question and further passes of a sample are spared the encoder; a
    batch is so only as a whole. Models whose encoders are no methods `get_image_features`, ... run as they are, and so
    does whatever runs with gradients.

    Args:
        model: of transformers, in eval mode.
        limit: bytes of inputs and outputs to keep, on the device of the model; of the last eight inputs at most.

    `asked` and `encoded` count how often an encoder was asked, and how often it ran; `pictures` and `pictures_encoded`
    for how many pictures that was, by the shapes of what the encoder of pictures was given. `sees_pictures` says
    whether it is a method, so that its pictures are known.
    """

    def __init__(self, model: Any, limit: int = KEPT_BYTES) -> None:
        model = model_itself(model)
        self._base = getattr(model, "base_model", model)
        self._limit = limit
        self._kept: list[_Kept] = []
        self._running = False
        self.asked = self.encoded = self.pictures = self.pictures_encoded = 0
        self.sees_pictures = getattr(self._base, PICTURES, None) is not None

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """While this lasts, the encoders give again what they gave."""
        found = {name: getattr(self._base, name, None) for name in _ENCODERS}
        encoders = {
            name: functools.wraps(encoder)(functools.partial(self._encode, name, encoder))
            for name, encoder in found.items()
            if encoder is not None
        }
        with shadowed(self._base, **encoders):
            yield

    def _encode(self, name: str, encoder: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._running:  # an encoder of videos that hands them to that of pictures
            return encoder(*args, **kwargs)
        self._running = True
        pictures = number_of_pictures(args, kwargs) if name == PICTURES else 0
        self.asked += 1
        self.pictures += pictures
        try:
            if not torch.is_grad_enabled():
                return self._again(name, encoder, args, kwargs)
            self._ran(pictures)
            return encoder(*args, **kwargs)
        finally:
            self._running = False

    def _ran(self, pictures: int) -> None:
        self.encoded += 1
        self.pictures_encoded += pictures

    def _again(self, name: str, encoder: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What an encoder gives, or gave before for the same inputs."""
        given = (args, dict(kwargs))
        for place in reversed(range(len(self._kept))):
            kept = self._kept[place]
            if kept.encoder == name and same_inputs(kept.given, given):
                self._kept.append(self._kept.pop(place))
                return copy.deepcopy(kept.gave)  # the model may write into it
        self._ran(number_of_pictures(args, kwargs) if name == PICTURES else 0)
        given = copy.deepcopy(given)
        gave = encoder(*args, **kwargs)
        self._keep(_Kept(name, given, copy.deepcopy(gave), bytes_of(given) + bytes_of(gave)))
        return gave

    def _keep(self, kept: _Kept) -> None:
        if kept.size > self._limit:
            return
        self._kept.append(kept)
        while len(self._kept) > _KEPT_INPUTS or sum(each.size for each in self._kept) > self._limit:
            self._kept.pop(0)


def same_inputs(one: Any, other: Any) -> bool:
    """Whether two inputs are of the same types, shapes and numbers; what is of an unknown type never is."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        described = [(each.shape, each.dtype, each.device) for each in (one, other)]
        return described[0] == described[1] and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same_inputs(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same_inputs, one, other))
    return one is None or (isinstance(one, bool | int | float | str | torch.dtype) and one == other)


def bytes_of(value: Any) -> int:
    """Memory of tensors and arrays, however they are nested."""
    if isinstance(value, Tensor | np.ndarray):
        return int(value.nbytes)
    if isinstance(value, Mapping):
        return sum(map(bytes_of, value.values()))
    return sum(map(bytes_of, value)) if isinstance(value, list | tuple) else 0
