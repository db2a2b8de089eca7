"""What the rules of `shrink` cannot guess, by model type: dotted path in the configuration -> value."""

from __future__ import annotations

from typing import Any

__all__ = ["INIT", "INIT_4", "OVERRIDES", "OVERRIDES_4"]

_MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
_EQUAL_HEADS = {"text_config.num_key_value_heads": 4}  # latent attention has no fewer keys than queries
_CODES = {"<image>": 150, **{f"IMGIMG{'ABCDEFGH'[code]}Z": 100 + code for code in range(8)}}
_VISUAL_TOKENS = {
    "<image>": 150,
    "<|extra_200|>": 149,
    **{f"<|visual token {code:06}|>": 100 + code for code in range(8)},
}
_KINDS = ("full_attention", "sliding_attention")
_SAM = {
    "vision_config.sam_config.global_attn_indexes": [0, 1],
    "vision_config.sam_config.downsample_channels": [32, 32],
}
_EXPERTS = ["dense", "sparse", "sparse", "sparse"]

OVERRIDES: dict[str, dict[str, Any]] = {
    "aria": {"projector_patch_to_query_dict": {16: 4}, "max_value_projector_patch_to_query_dict": 4},
    "blip-2": {"image_token_id": 150},
    "deepseek_ocr2": {**_SAM, "text_config.mlp_layer_types": _EXPERTS, "text_config.num_experts_per_tok": 2},
    "emu3": {
        "vocabulary_map": _VISUAL_TOKENS,
        "vq_config.codebook_size": 8,
        "vq_config.base_channels": 32,
        "vq_config.hidden_size": 128,
        "image_token_id": 150,
    },
    "dots3_note": _EQUAL_HEADS,
    # a smaller tower of the same family: the default one has its width from timm and 125 million weights
    "fast_vlm": {"vision_config.architecture": "fastvit_t8", "vision_config.hidden_size": 768},
    "granite_docling": {"vision_config.deepstack_visual_indexes": [0, 1]},
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
    "granite4_vision": {
        "downsample_rate": "1/2",
        "deepstack_layer_map": [[0, 0], [1, 1]],
        "spatial_target_layers": [2, 3],
        "text_config.logits_scaling": 4.0,
    },
    "hunyuan_vl": {"text_config.head_dim": 8, "text_config.rope_parameters": _MROPE},
    "instructblip": {"image_token_id": 150},
    "instructblipvideo": {"video_token_id": 150},
    "chameleon": {"vocabulary_map": _CODES, "vq_config.num_embeddings": 8, "vq_config.base_channels": 32},
    "cohere_compass": {"text_config.rope_parameters": dict.fromkeys(_KINDS, _MROPE)},
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
    "llama4": {"vision_config.intermediate_size": 128, "vision_config.vision_output_dim": 32},
    "muse_glimmer": {"out_hidden_size": 128},
    "muse_spark": {"out_hidden_size": 128},
    "minicpm_ocr": {"image_token_id": 150},
    "minicpmv4_6": {"image_token_id": 150},
    "minicpmv4_7": {"image_token_id": 150},
    "molmo2": {"vision_config.num_position_embeddings": 16, "adapter_config.vision_feature_layer": [1, 0]},
    "nemotron_h_omni": {
        "image_token_id": 150,
        "vision_config.patch_dim": 192,
        "vision_config.video_patch_dim": 384,
    },
    "pp_formulanet": {
        "vision_config.global_attn_indexes": [0, 1],
        "vision_config.post_conv_in_channels": 32,
        "vision_config.post_conv_mid_channels": 32,
        "vision_config.post_conv_out_channels": 32,
    },
    "qwen4_exp": {
        "text_config.indexer_n_heads": 2,
        "text_config.indexer_kv_heads": 1,
        "text_config.indexer_head_dim": 8,
        "text_config.indexer_budget": 16,
        "text_config.indexer_compress_ratio": 4,
        "text_config.rope_parameters": _MROPE,
    },
    "unlimited_ocr": {**_SAM, **_EQUAL_HEADS},
    "minimax_m3_vl": {"merged_hidden_size": 128},
    "paddleocr_vl": {"text_config.rope_parameters": _MROPE},
    "qwen2_5_omni_thinker": {"text_config.rope_parameters": _MROPE, "vision_start_token_id": 140},
    "qwen2_5_vl": {"text_config.rope_parameters": _MROPE, "vision_config.fullatt_block_indexes": [1]},
    "qwen2_vl": {"text_config.rope_parameters": _MROPE},
    "qwen3_omni_moe_thinker": {"text_config.rope_parameters": _MROPE, "vision_start_token_id": 140},
    "step3p7": {"text_config.sliding_window": 64},
    "vipllava": {"vision_feature_layers": [-1, -1, -1, -1, -1]},
}

_GEMMA4_TEXT = {
    "num_hidden_layers": 4,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    "head_dim": 8,
    "global_head_dim": 8,
    "num_global_key_value_heads": 2,
    "num_kv_shared_layers": 2,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 160,
    "vocab_size_per_layer_input": 160,
    "hidden_size_per_layer_input": 8,
    "sliding_window": 64,
    "final_logit_softcapping": 3.0,
}

# latent attention in two widths: sliding layers have numbers of their own
_DOTS_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "moe_intermediate_size": 48,
    "num_hidden_layers": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "shared_experts_intermediate_size": 48,
    "index_topk": 64,
    "index_head_dim": 8,
    "index_n_heads": 2,
    "vocab_size": 160,
    "sliding_window": 64,
    **{
        prefix + name: value
        for prefix in ("", "swa_")
        for name, value in {
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "head_dim": 8,
            "qk_nope_head_dim": 4,
            "qk_rope_head_dim": 4,
            "v_head_dim": 8,
        }.items()
    },
}

INIT: dict[str, dict[str, Any]] = {
    "dots3_note": {
        "text_config": _DOTS_TEXT,
        "vision_config": {
            "pyramid_num_routed": [-1, 4],
            "num_hidden_layers": 2,
            "embed_dim": 32,
            "adapter_in_dim": 32,
            "adapter_out_dim": 32,
            "num_heads": 4,
        },
        "audio_config": {"adapter_out_dim": 32},
    },
    "perception_lm": {
        "vision_config": {
            "model_type": "timm_wrapper",
            "architecture": "vit_pe_core_large_patch14_336",
            "model_args": {
                "embed_dim": 32,
                "img_size": (28, 28),
                "depth": 2,
                "num_heads": 4,
                "global_pool": "",
                "use_post_transformer_norm": False,
                "init_values": 0.1,
                "ref_feat_shape": (2, 2),
            },
        }
    },
    "gemma4": {"text_config": _GEMMA4_TEXT, "vision_config": {}},
    "gemma4_unified": {"text_config": _GEMMA4_TEXT, "vision_config": {}},
}
"""Arguments of the configuration class, for numbers that others are derived from."""

_MROPE_4 = {"rope_type": "default", "mrope_section": [1, 1, 2]}

OVERRIDES_4: dict[str, dict[str, Any]] = {
    "evolla": {"num_key_value_heads": 4},
    "glm4v_moe": {"text_config.partial_rotary_factor": 1.0},
    "mllama": {"text_config.rope_scaling": {"rope_type": "default"}},
    "qwen3_vl": {"text_config.rope_scaling": _MROPE_4},
    "qwen3_vl_moe": {"text_config.rope_scaling": _MROPE_4},
}
"""What transformers 4 needs in addition."""

INIT_4: dict[str, dict[str, Any]] = {
    "vision-encoder-decoder": {
        "encoder": {"model_type": "vit"},
        "decoder": {"model_type": "bert", "is_decoder": True, "add_cross_attention": True},
    },
}
