"""What the rules of `shrink` cannot guess, by model type: dotted path in the configuration -> value."""

from __future__ import annotations

from typing import Any

__all__ = ["OVERRIDES"]

_MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
_EQUAL_HEADS = {"text_config.num_key_value_heads": 4}  # latent attention has no fewer keys than queries
_CODES = {"<image>": 150, **{f"IMGIMG{'ABCDEFGH'[code]}Z": 100 + code for code in range(8)}}

OVERRIDES: dict[str, dict[str, Any]] = {
    "aria": {"projector_patch_to_query_dict": {16: 4}, "max_value_projector_patch_to_query_dict": 4},
    "blip-2": {"image_token_id": 150},
    "ernie4_5_vl_moe": {"text_config.rope_parameters": _MROPE},
    "florence2": {
        "vision_config.patch_size": [7, 3, 3, 3],
        "vision_config.embed_dim": [16, 16, 32, 32],
        "vision_config.num_heads": [2, 2, 4, 4],
        "vision_config.num_groups": [2, 2, 4, 4],
        "vision_config.depths": [1, 1, 1, 1],
        "vision_config.window_size": 4,
    },
    "glm46v": {"text_config.rope_parameters": _MROPE},
    "glm4v": {"text_config.rope_parameters": _MROPE},
    "glm4v_moe": {"text_config.rope_parameters": _MROPE},
    "glm5_next": _EQUAL_HEADS,
    "glm_ocr": {"text_config.rope_parameters": _MROPE},
    "glmga": {"text_config.rope_parameters": _MROPE},
    "instructblip": {"image_token_id": 150},
    "instructblipvideo": {"video_token_id": 150},
    "chameleon": {"vocabulary_map": _CODES, "vq_config.num_embeddings": 8, "vq_config.base_channels": 32},
    "deepseek_vl_hybrid": {"high_res_vision_config.global_attn_indexes": [0, 1]},
    "kimi_k25": _EQUAL_HEADS,
    "mistral4": {"num_key_value_heads": 4, "rope_parameters.partial_rotary_factor": 1.0},
    "mllama": {
        "text_config.cross_attention_layers": [1, 3],
        "vision_config.intermediate_layers_indices": [0],
        "vision_config.vision_output_dim": 64,
        "vision_config.max_num_tiles": 1,
        "vision_config.supported_aspect_ratios": [[1, 1]],
    },
    "mistral_large4": _EQUAL_HEADS,
    "llama4": {"vision_config.intermediate_size": 128},
    "minicpm_ocr": {"image_token_id": 150},
    "minicpmv4_6": {"image_token_id": 150},
    "minicpmv4_7": {"image_token_id": 150},
    "minimax_m3_vl": {"merged_hidden_size": 128},
    "paddleocr_vl": {"text_config.rope_parameters": _MROPE},
    "qwen2_5_omni_thinker": {"text_config.rope_parameters": _MROPE, "vision_start_token_id": 140},
    "qwen2_5_vl": {"text_config.rope_parameters": _MROPE, "vision_config.fullatt_block_indexes": [1]},
    "qwen2_vl": {"text_config.rope_parameters": _MROPE},
    "qwen3_omni_moe_thinker": {"text_config.rope_parameters": _MROPE, "vision_start_token_id": 140},
    "step3p7": {"text_config.sliding_window": 64},
    "vipllava": {"vision_feature_layers": [-1, -1, -1, -1, -1]},
}
