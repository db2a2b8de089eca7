"""What the rules of `shrink` cannot guess, by model type: dotted path in the configuration -> value."""

from __future__ import annotations

from typing import Any

__all__ = ["OVERRIDES"]

_MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
_EQUAL_HEADS = {"text_config.num_key_value_heads": 4}  # latent attention has no fewer keys than queries

OVERRIDES: dict[str, dict[str, Any]] = {
    "aria": {"projector_patch_to_query_dict": {16: 4}, "max_value_projector_patch_to_query_dict": 4},
    "blip-2": {"image_token_id": 150},
    "glm46v": {"text_config.rope_parameters": _MROPE},
    "glm4v": {"text_config.rope_parameters": _MROPE},
    "glm4v_moe": {"text_config.rope_parameters": _MROPE},
    "glm5_next": _EQUAL_HEADS,
    "glm_ocr": {"text_config.rope_parameters": _MROPE},
    "glmga": {"text_config.rope_parameters": _MROPE},
    "instructblip": {"image_token_id": 150},
    "instructblipvideo": {"video_token_id": 150},
    "kimi_k25": _EQUAL_HEADS,
    "mistral4": {"num_key_value_heads": 4},
    "mistral_large4": _EQUAL_HEADS,
    "minimax_m3_vl": {"merged_hidden_size": 128},
    "paddleocr_vl": {"text_config.rope_parameters": _MROPE},
    "qwen2_5_omni_thinker": {"text_config.rope_parameters": _MROPE, "vision_start_token_id": 140},
    "qwen2_5_vl": {"text_config.rope_parameters": _MROPE, "vision_config.fullatt_block_indexes": [1]},
    "qwen2_vl": {"text_config.rope_parameters": _MROPE},
    "qwen3_omni_moe_thinker": {"text_config.rope_parameters": _MROPE, "vision_start_token_id": 140},
    "step3p7": {"text_config.sliding_window": 64},
    "vipllava": {"vision_feature_layers": [-1, -1, -1, -1, -1]},
}
