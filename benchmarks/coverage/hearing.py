"""Tiny models of the families that take sounds, and prompts with sounds for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lens_models.audio import Sound, audio_arguments
from lens_models.encoding import encode_texts, render_chat

from .audio_sizes import CONFIG_OF_SOUNDS
from .build import build
from .geometry import model_for
from .processors import processor_of
from .shrink import assign, shrunk_config

__all__ = ["Hearing", "hearing", "tone"]

Inputs = dict[str, Tensor]
Prompt = tuple[Sequence[Sound], str]
_RATE = 16_000
_WORDS = {"Is": 17, "there": 23, "a": 42, "circle": 31, "in": 77, "the": 19, "picture": 29, "?": 37}


def tone(pitch: float, seconds: float = 0.5) -> Sound:
    """A tone that swells, with a little noise."""
    time = np.arange(int(seconds * _RATE)) / _RATE
    noise = np.random.default_rng(int(pitch)).normal(0, 0.02, len(time))
    return Sound((0.5 * time / seconds * np.sin(2 * np.pi * pitch * time) + noise).astype(np.float32), _RATE)


@dataclass(frozen=True)
class Hearing:
    """A tiny model, and how prompts are made for it.

    Attributes:
        model: randomised, fp32, in eval mode.
        processor: of the family's own classes; None where it cannot be made here, see `reason`.
        encode: prompts, each its sounds and its text -> model inputs, left-padded.
        reason: why there is no processor.
    """

    model: Any
    processor: Any
    encode: Callable[[Sequence[Prompt]], Inputs]
    reason: str = ""


def hearing(model_type: str) -> Hearing:
    """The model and its prompts; raises whatever the family's classes raise that are not fitted here."""
    values = CONFIG_OF_SOUNDS.get(model_type, {})
    if model_type in _BY_HAND:
        features, reason = _BY_HAND[model_type]
        model = build(model_type, config=_config(model_type, values))
        number = getattr(model.config, "audio_token_id", None) or model.config.audio_token_index
        _say_no_sound(model, number)
        return Hearing(model, None, lambda prompts: _by_hand(model, number, features, prompts), reason)
    processor = processor_of(model_type)
    processor.tokenizer.model_input_names = ["input_ids", "attention_mask"]  # transformers 4 would add another
    model = model_for(model_type, processor, values)
    number = processor.tokenizer.convert_tokens_to_ids(processor.audio_token)
    _say_no_sound(model, number)
    return Hearing(model, processor, lambda prompts: _by_processor(processor, prompts))


def _say_no_sound(model: Any, number: int) -> None:
    settings = model.generation_config
    settings.suppress_tokens = [*settings.suppress_tokens, number]


def _config(model_type: str, values: Mapping[str, Any]) -> Any:
    config = shrunk_config(model_type)
    for path, value in values.items():
        assign(config, path, value)
    return config


def _by_processor(processor: Any, prompts: Sequence[Prompt]) -> Inputs:
    texts = []
    for sounds, text in prompts:
        parts = [*({"type": "audio", "audio": "sound"} for _ in sounds), {"type": "text", "text": text}]
        texts.append(render_chat(processor, [{"role": "user", "content": parts}]))
    sounds = [sound for own, _ in prompts for sound in own]
    return dict(encode_texts(processor, texts, **audio_arguments(processor, sounds)))


def _by_hand(
    model: Any, number: int, features: Callable[[Any, Sequence[Sound]], tuple[Inputs, int]], prompts: Sequence[Prompt]
) -> Inputs:
    made, count = features(model.config, [sound for own, _ in prompts for sound in own])
    rows = [
        [1, *([number] * count + [40]) * len(sounds), *(_WORDS[word] for word in text.split())]
        for sounds, text in prompts
    ]
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return {"input_ids": ids, "attention_mask": mask, **made}


def _frames(sounds: Sequence[Sound], n_frames: int, width: int) -> Tensor:
    """`[sounds, frames, width]`: the logarithm of each sound's spectrum, in evenly spaced windows."""
    rows = []
    for sound in sounds:
        starts = np.linspace(0, len(sound.samples) - 2 * width, n_frames).astype(int)
        windows = np.stack([sound.samples[start : start + 2 * width] for start in starts])
        rows.append(np.log(np.abs(np.fft.rfft(windows, axis=1))[:, :width] + 1e-3))
    return torch.tensor(np.stack(rows), dtype=torch.float32)


def _voxtral(config: Any, sounds: Sequence[Sound]) -> tuple[Inputs, int]:
    """A window of the tower's full length, four steps of the tower to a token."""
    n_frames = 2 * config.audio_config.max_source_positions
    features = _frames(sounds, n_frames, config.audio_config.num_mel_bins).transpose(1, 2)
    return {"input_features": features.contiguous()}, n_frames // 8


def _granite(config: Any, sounds: Sequence[Sound]) -> tuple[Inputs, int]:
    """Two frames joined; three learned queries for each fifteen of them."""
    n_frames = 2 * config.window_size
    features = _frames(sounds, n_frames, config.encoder_config.input_dim)
    count = n_frames // config.window_size * (config.window_size // config.downsample_rate)
    return {"input_features": features, "input_features_mask": torch.ones(len(sounds), count, dtype=torch.bool)}, count


def _fun_asr(config: Any, sounds: Sequence[Sound]) -> tuple[Inputs, int]:
    """Seven frames joined; a token for each."""
    features = _frames(sounds, 12, config.audio_config.input_size)
    return {"input_features": features, "input_features_mask": torch.ones(len(sounds), 12, dtype=torch.long)}, 12


_CONVERSATIONS = "its processor takes whole conversations, not a text and sounds; the features were made by hand"
_TORCHAUDIO = "its feature extractor needs torchaudio, which is not among our packages; the features were made by hand"

_BY_HAND: dict[str, tuple[Callable[[Any, Sequence[Sound]], tuple[Inputs, int]], str]] = {
    "fun_asr_nano": (_fun_asr, _TORCHAUDIO),
    "granite_speech": (_granite, _TORCHAUDIO),
    "granite_speech_plus": (_granite, _TORCHAUDIO),
    "voxtral": (_voxtral, _CONVERSATIONS),
}
