"""What is known of model families: how they lay out image tokens, and for which a token stands for no one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .anyres import anyres
from .framed import ended_rows, pooled
from .layouts import Rule, grid
from .video_layout import VideoRule

__all__ = [
    *("NO_PLACE", "NO_TOKENS", "PIXELS", "image_token_ids", "refusal", "rule", "video_rule", "video_token_ids"),
    "without_tokens",
]

_QUERIES = "its image tokens are learned queries that each look at the whole picture, so none stands for a place"
_CROSS = "its decoder layers look at the picture by cross-attention: no position of their sequence is an image token"

NO_PLACE: dict[str, str] = {
    **dict.fromkeys(
        ("blip-2", "instructblip", "instructblipvideo", "kosmos-2", "kosmos-2.5", "aria", "idefics2"), _QUERIES
    ),
}
"""Model type -> why a token of it stands for no one part of a picture."""

NO_TOKENS: dict[str, str] = {
    **dict.fromkeys(("blip", "idefics", "mllama"), _CROSS),
    "git": "its image tokens stand before the prompt, which has no positions for them; they are not located",
}
"""Model type -> why no position of a prompt is an image token."""

_RULES: dict[str, Rule] = {
    **dict.fromkeys(("llava_next", "llava_next_video", "llava_onevision", "granite4_vision"), anyres),
    "emu3": ended_rows(0, 0),
    "molmo2": pooled,
    "hunyuan_vl": ended_rows(1, 1),
}

PIXELS: dict[str, tuple[str, ...]] = {
    "step3p7": ("pixel_values_local", "pixel_values"),
}
"""Model type -> names of its pixel inputs in the order of its image tokens, where there are several."""

_ID_NAMES = (
    "image_token_id",
    "image_token_index",
    "image_patch_id",
    "img_context_token_id",
    "media_placeholder_token_id",
)


_VIDEO_RULES: dict[str, VideoRule] = {
    "llava_onevision": VideoRule(after=1),  # the end of the last row alone
    "video_llava": VideoRule(before_each=1),  # the class token of each frame
}

_VIDEO_ID_NAMES = ("video_token_id", "video_token_index")


def video_rule(model_type: str) -> VideoRule:
    """How a family lays out the tokens of a video; a grid for each frame where nothing else is known."""
    return _VIDEO_RULES.get(model_type, VideoRule())


def video_token_ids(model: Any, processor: Any) -> list[int]:
    """Ids that may stand for a part of a video in a prompt, the likeliest first; some take their image token."""
    return list(
        dict.fromkeys([*_ids(model, processor, "video_token", _VIDEO_ID_NAMES), *image_token_ids(model, processor)])
    )


def rule(model_type: str) -> Rule:
    """How a family lays out its image tokens; the grid of each piece where nothing else is known."""
    return _RULES.get(model_type, grid)


def refusal(model: Any) -> str | None:
    """Why the image tokens of a model have no place, if that is known of its kind."""
    return NO_PLACE.get(model.config.model_type) or without_tokens(model)


def without_tokens(model: Any) -> str | None:
    """Why no position of the decoder layers' sequence is an image token, if that is known of its kind."""
    if getattr(model.config, "is_encoder_decoder", False):
        return "it is an encoder-decoder: the sequence of its decoder layers is the answer alone, without image tokens"
    return NO_TOKENS.get(model.config.model_type)


def image_token_ids(model: Any, processor: Any) -> list[int]:
    """Ids that may stand for a part of an image in a prompt, the likeliest first."""
    return _ids(model, processor, "image_token", _ID_NAMES)


def _ids(model: Any, processor: Any, attribute: str, names: Sequence[str]) -> list[int]:
    tokenizer = getattr(processor, "tokenizer", None)
    named = getattr(processor, attribute, None)
    spelled = tokenizer.convert_tokens_to_ids(named) if isinstance(named, str) and tokenizer is not None else None
    given = [getattr(owner, name, None) for owner in (model.config, processor) for name in names]
    return list(dict.fromkeys(int(each) for each in (*given, spelled) if isinstance(each, int)))
