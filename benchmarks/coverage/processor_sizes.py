"""What the rules of `processors` cannot guess, by model type."""

from __future__ import annotations

from typing import Any

__all__ = ["CLASSES", "CONFIG", "IMAGES", "PLACEHOLDERS", "REPEATED", "SETTINGS", "TOKENS", "UNTRIED"]

_QWEN3 = {"processor": "Qwen3VLProcessor", "image_processor": "Qwen2VLImageProcessor"}
_QWEN3 |= {"video_processor": "Qwen3VLVideoProcessor"}
_PINPOINTS = {"image_grid_pinpoints": [[64, 64], [64, 128], [128, 64], [128, 128]]}
_PIECES = {"crop_to_patches": True, "max_patches": 4}

CLASSES: dict[str, dict[str, str]] = {
    "glm4v_moe": {"image_processor": "Glm4vImageProcessor", "video_processor": "Glm4vVideoProcessor"},
    "qwen3_vl_moe": _QWEN3,
}
"""Classes of a processor's parts where transformers maps none to the type."""

IMAGES: dict[str, dict[str, Any]] = {
    "aya_vision": _PIECES,
    "cohere2_vision": {"patch_size": 4, "max_patches": 4},
    "internvl": _PIECES,
}
"""Arguments of the image processor."""

SETTINGS: dict[str, dict[str, Any]] = {
    "aya_vision": {"img_size": 64, "patch_size": 16},
    "chameleon": {"image_seq_length": 16},
    "deepseek_vl": {"num_image_tokens": 64},
    "deepseek_vl_hybrid": {"num_image_tokens": 64},
    "gemma3": {"image_seq_length": 16},
    "idefics3": {"image_seq_len": 16},
    "internvl": {"image_seq_length": 16},
    "janus": {"num_image_tokens": 64},
    "llava": {"num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"},
    "llava_next": {"num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"},
    "llava_next_video": {"num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"},
    "llava_onevision": {"num_image_tokens": 64, "vision_feature_select_strategy": "full"},
    "mistral3": {"spatial_merge_size": 2},
    "mistral_large4": {"spatial_merge_size": 2},
    "ovis2": {"image_seq_length": 16},
    "smolvlm": {"image_seq_len": 16},
    "vipllava": {"num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"},
}
"""Arguments of the processor."""

TOKENS: dict[str, dict[str, str]] = {}
"""Special tokens by the attribute that the processor asks its tokenizer for."""

PLACEHOLDERS: dict[str, str] = {"gemma3": "<boi>"}
"""What stands for a picture in a prompt."""

REPEATED: dict[str, str] = {
    "aya_vision": "<|IMG_PATCH|>",
    "llama4": "<|patch|>",
    "molmo2": "<im_patch>",
}
"""What a processor puts once for each image token, where it is not its `image_token`."""

CONFIG: dict[str, dict[str, Any]] = {
    "gemma3": {"mm_tokens_per_image": 16},
    "llava_next": _PINPOINTS,
    "llava_next_video": _PINPOINTS,
    "llava_onevision": _PINPOINTS,
}
"""Values of the model's configuration: dotted path -> value."""

UNTRIED: dict[str, str] = {}
"""Why the paint test is not made with a model type."""
