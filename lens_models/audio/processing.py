"""What a model's processor is told of sounds."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from lens_models.errors import InputError

from .shown import Sound

__all__ = ["audio_arguments", "sampling_rate_of", "seconds_heard"]

_PARTS = ("feature_extractor", "audio_processor")


def sampling_rate_of(processor: Any) -> int | None:
    """Samples a second that a processor takes sounds at; None where it takes none, or does not say."""
    for part in (getattr(processor, name, None) for name in _PARTS):
        rate = getattr(part, "sampling_rate", None)
        if isinstance(rate, int):
            return rate
    rate = getattr(processor, "audio_sampling_rate", None)
    return rate if isinstance(rate, int) else None


def audio_arguments(processor: Any, sounds: Sequence[Sound]) -> dict[str, Any]:
    """Arguments of a processor for sounds, at the rate that it takes them at; none without sounds.

    Raises:
        InputError: the processor takes no sounds beside a text, or does not say at which rate.
    """
    if not sounds:
        return {}
    name = type(processor).__name__
    if not any(getattr(processor, part, None) is not None for part in _PARTS):
        raise InputError(
            f"{name} takes no sounds: it has no feature extractor for them. Choose a checkpoint that listens, such as "
            "Qwen2-Audio or Qwen2.5-Omni, or leave this task out."
        )
    rate = sampling_rate_of(processor)
    if rate is None:
        raise InputError(f"{name} does not say at which sampling rate it takes sounds, so none can be given to it")
    if not _takes_audio(processor):
        raise InputError(
            f"{name} takes no sounds beside a text, only a whole conversation, which it also puts into tokens; its "
            "prompts cannot be made from an evaluation's text. Choose another checkpoint."
        )
    told = {"audio": [sound.at_rate(rate) for sound in sounds]}
    return {**told, "sampling_rate": rate} if _is_told_the_rate(processor) else told


def seconds_heard(processor: Any, inputs: Mapping[str, Any], n_sounds: int) -> float | None:
    """How long the features of one sound in encoded inputs reach at most; None where that is not known.

    It is where there is one row of Whisper's features a sound, `[sounds, bins, frames]`; processors that cut a sound
    into windows make more rows.
    """
    features, extractor = inputs.get("input_features"), getattr(processor, "feature_extractor", None)
    hop, bins = (getattr(extractor, name, None) for name in ("hop_length", "feature_size"))
    rate = sampling_rate_of(processor)
    shape = tuple(getattr(features, "shape", ()))
    if not hop or not rate or len(shape) != 3 or shape[:2] != (n_sounds, bins):
        return None
    return float(shape[2] * hop / rate)


def _is_told_the_rate(processor: Any) -> bool:
    """Whether what makes features of sounds checks their rate; some know one alone and take no such argument."""
    part = next(found for name in _PARTS if (found := getattr(processor, name, None)) is not None)
    named = inspect.signature(type(part).__call__).parameters.values()
    return any(each.name == "sampling_rate" or each.kind is each.VAR_KEYWORD for each in named)


def _takes_audio(processor: Any) -> bool:
    return "audio" in inspect.signature(type(processor).__call__).parameters
