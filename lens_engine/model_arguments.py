"""Which model, where and how: the arguments of lmms-eval's stock `huggingface` wrapper, and of the Python API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lens_models import LENS_TINY, LensArgumentError
from lens_models.quantised import QUANTISATION_ARGUMENTS
from lens_models.video import DEFAULT_FRAMES, VideoSampling

from .options import (
    LENS_ARGUMENTS,
    LensOptions,
    flag,
    number,
    reject_unknown,
    take_lens_options,
    whole_number,
)

__all__ = ["ModelArguments"]

_ACCEPTED_WITHOUT_EFFECT = ("use_custom_video_loader", "max_image_size", "interleave_visuals", "max_batch_size")
_FLAGS = {
    *("trust_remote_code", "allow_pickle", "use_cache"),
    *("load_in_8bit", "load_in_4bit", "bnb_4bit_use_double_quant"),
}
_WHOLE = ("min_pixels", "max_pixels", "max_num_frames", "nframes", "max_length")
_ALIASES = {"max_frames": "max_num_frames"}
"""What other wrappers of lmms-eval call an argument -> its name here."""


@dataclass(frozen=True)
class ModelArguments:
    """Checkpoint, placement, prompt and media settings; defaults are sensible for a machine with or without a GPU.

    `dtype` is the checkpoint's own unless named. Of a video, evenly spaced frames are shown: `max_num_frames` (or
    `max_frames`), or `fps` a second where that is less, or exactly `nframes`. `use_cache` is the key-value cache of
    generation. `peft` is an adapter's folder or repository; `load_in_*` and `bnb_*` quantise with bitsandbytes while
    loading.
    """

    pretrained: str = LENS_TINY
    revision: str | None = None
    dtype: str = "auto"
    device: str | None = None
    device_map: str | None = None
    batch_size: int = 1
    attn_implementation: str | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False
    peft: str | None = None
    load_in_8bit: bool = False
    load_in_4bit: bool = False
    bnb_4bit_quant_type: str | None = None
    bnb_4bit_compute_dtype: str | None = None
    bnb_4bit_use_double_quant: bool = False
    use_cache: bool = True
    system_prompt: str | None = None
    reasoning_prompt: str | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    max_num_frames: int = DEFAULT_FRAMES
    fps: float | None = None
    nframes: int | None = None
    max_length: int = 2048

    @classmethod
    def parse(cls, arguments: Mapping[str, Any]) -> tuple[ModelArguments, LensOptions]:
        """Split and check the arguments as lmms-eval gives them.

        Raises:
            LensArgumentError: an unknown name ("did you mean"), or a wrong value.
        """
        options, rest = take_lens_options(arguments)
        rest = _renamed(rest)
        own = {field.name for field in fields(cls)}
        known = own | set(_ACCEPTED_WITHOUT_EFFECT)
        reject_unknown([name for name in rest if name not in known], known | set(LENS_ARGUMENTS))
        values = {name: value for name, value in rest.items() if name in own and value is not None}
        if "batch_size" in values:
            values["batch_size"] = _batch_size(values["batch_size"])
        for name in _FLAGS & values.keys():
            values[name] = flag(values[name], name)
        for name in values.keys() & set(_WHOLE):
            values[name] = whole_number(values[name], name)
        if "fps" in values:
            values["fps"] = _frames_a_second(values["fps"])
        return cls(**values), options

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Name -> value when nobody names it."""
        return {each.name: each.default for each in fields(cls)}

    @property
    def video_sampling(self) -> VideoSampling:
        """Which frames of a video are shown, unless its sample says otherwise."""
        return VideoSampling(self.max_num_frames, self.fps, self.nframes)

    @property
    def quantisation(self) -> dict[str, Any]:
        """What `lens_models.load_model` quantises by."""
        return {name: getattr(self, name) for name in QUANTISATION_ARGUMENTS}

    @property
    def processor_arguments(self) -> dict[str, Any]:
        """What the processor is loaded with."""
        pixels = {"min_pixels": self.min_pixels, "max_pixels": self.max_pixels}
        return {name: value for name, value in pixels.items() if value is not None}


def _renamed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    for alias, name in _ALIASES.items():
        if alias in arguments and name in arguments:
            raise LensArgumentError(
                f"{alias}={arguments[alias]!r} and {name}={arguments[name]!r}; expected one of them"
            )
    return {_ALIASES.get(name, name): value for name, value in arguments.items()}


def _batch_size(value: object) -> int:
    try:
        return whole_number(value, "batch_size")
    except LensArgumentError:
        raise LensArgumentError(
            f"batch_size={value!r}; expected a whole number from 1 on (automatic sizes are not used)"
        ) from None


def _frames_a_second(value: object) -> float:
    found = number(value, "fps")
    if found <= 0:
        raise LensArgumentError(f"fps={value!r}; expected a number above 0")
    return found
