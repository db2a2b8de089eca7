"""What the rules of `processors` cannot guess, by model type."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ATTRIBUTES",
    "CLASSES",
    "CONFIG",
    "IMAGES",
    "PLACEHOLDERS",
    "REPEATED",
    "SETTINGS",
    "TOKENS",
    "UNTRIED",
    "UNTRIED_VIDEOS",
    "VIDEOS",
    "VIDEO_PLACEHOLDERS",
]

_QWEN3 = {"processor": "Qwen3VLProcessor", "image_processor": "Qwen2VLImageProcessor"}
_QWEN3 |= {"video_processor": "Qwen3VLVideoProcessor"}
_PINPOINTS = {"image_grid_pinpoints": [[64, 64], [64, 128], [128, 64], [128, 128]]}
_CLIP = {"num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"}
_PIECES = {"crop_to_patches": True, "max_patches": 4}

_GEMMA4 = {"processor": "Gemma4Processor", "image_processor": "Gemma4ImageProcessor"}
_GEMMA4 |= {"video_processor": "Gemma4VideoProcessor", "feature_extractor": "Gemma4AudioFeatureExtractor"}
_GLM46 = {"processor": "Glm46VProcessor", "video_processor": "Glm46VVideoProcessor"}
_OMNI = {"image_processor": "Qwen2VLImageProcessor", "feature_extractor": "WhisperFeatureExtractor"}
_OMNI |= {"video_processor": "Qwen2VLVideoProcessor"}

CLASSES: dict[str, dict[str, str]] = {
    "cosmos3_omni": _QWEN3,
    "diffusion_gemma": _GEMMA4,
    "dots3_note": {"feature_extractor": "Dots3NoteFeatureExtractor"},
    "fast_vlm": {"processor": "LlavaProcessor", "image_processor": "CLIPImageProcessor"},
    "gemma4": _GEMMA4,
    "glm4v_moe": {"image_processor": "Glm4vImageProcessor", "video_processor": "Glm4vVideoProcessor"},
    "glm_ocr": {**_GLM46, "image_processor": "Glm46VImageProcessor"},
    "glmga": _GLM46,
    "kosmos-2": {"processor": "Kosmos2Processor"},
    "kosmos-2.5": {"processor": "Kosmos2_5Processor"},
    "nemotron_h_omni": {"feature_extractor": "ParakeetFeatureExtractor"},
    "qwen2_5_omni_thinker": {**_OMNI, "processor": "Qwen2_5OmniProcessor"},
    "qwen3_omni_moe_thinker": {**_OMNI, "processor": "Qwen3OmniMoeProcessor"},
    "qwen3_vl_moe": _QWEN3,
}
"""Classes of a processor's parts where transformers maps none to the type."""

IMAGES: dict[str, dict[str, Any]] = {
    "aria": {"max_image_size": 32, "min_image_size": 32},
    "idefics2": {"size": {"shortest_edge": 32, "longest_edge": 64}},
    "aya_vision": _PIECES,
    "cohere2_vision": {"patch_size": 4, "max_patches": 4},
    "deepseek_ocr2": {"tile_size": 64},
    "deepseek_vl_hybrid": {"high_res_size": {"height": 64, "width": 64}},
    "dots3_note": {"temporal_patch_size": 1},
    "fast_vlm": {"size": {"shortest_edge": 256}, "crop_size": {"height": 256, "width": 256}},
    "gemma4": {"max_soft_tokens": 70},
    "emu3": {"min_pixels": 4096, "max_pixels": 9216},
    "got_ocr2": {"size": {"height": 512, "width": 512}},
    "pp_chart2table": {"size": {"height": 512, "width": 512}},
    "inkling_mm_model": {"size": {"height": 8, "width": 8}},
    "internvl": _PIECES,
    "kimi_k25": {"max_patches": 140},
    "lfm2_vl": {"encoder_patch_size": 8, "tile_size": 64, "min_image_tokens": 4, "max_image_tokens": 16},
    "minicpm_ocr": {"scale_resolution": 64},
    "minicpmv4_6": {"scale_resolution": 64},
    "minicpmv4_7": {"scale_resolution": 64},
    "molmo2": {"overlap_margins": [2, 2], "max_crops": 4},
    "paligemma": {"image_seq_length": 64},
    "perception_lm": {"tile_size": 28, "max_num_tiles": 4},
    "qianfan_ocr": _PIECES,
    "step3p7": {"patch_size": 32, "vision_patch_size": 8, "downsampler_stride": 4},
    "video_llava": {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}},
}
"""Arguments of the image processor."""

VIDEOS: dict[str, dict[str, Any]] = {
    **{key: {"return_metadata": True} for key in ("cosmos3_edge", "muse_glimmer", "muse_spark")},
    "dots3_note": {"temporal_patch_size": 1},
    "perception_lm": {"size": {"height": 28, "width": 28}},
}
"""Arguments of the video processor."""

SETTINGS: dict[str, dict[str, Any]] = {
    "aria": {"size_conversion": {32: 4}},
    "idefics2": {"image_seq_len": 4},
    "aya_vision": {"img_size": 64, "patch_size": 16},
    "chameleon": {"image_seq_length": 16},
    "deepseek_vl": {"num_image_tokens": 64},
    "deepseek_vl_hybrid": {"num_image_tokens": 64},
    "fast_vlm": {"vision_feature_select_strategy": "full", "patch_size": 32},
    "gemma3": {"image_seq_length": 16},
    "granite4_vision": {"vision_feature_select_strategy": "full", "downsample_rate": "1/2"},
    "granite_docling": {"image_seq_len": 4},
    "idefics3": {"image_seq_len": 16},
    "internvl": {"image_seq_length": 16},
    "janus": {"num_image_tokens": 64},
    "llava": _CLIP,
    "llava_next": _CLIP,
    "llava_next_video": _CLIP,
    "llava_onevision": {"num_image_tokens": 64, "vision_feature_select_strategy": "full"},
    "mistral3": {"spatial_merge_size": 2},
    "mistral_large4": {"spatial_merge_size": 2},
    "lighton_ocr": {"spatial_merge_size": 2},
    "ovis2": {"image_seq_length": 64},
    "perception_lm": {"patch_size": 14, "pooling_ratio": 1},
    "qianfan_ocr": {"image_seq_length": 16},
    "smolvlm": {"image_seq_len": 16},
    "video_llava": _CLIP,
    "vipllava": _CLIP,
}
"""Arguments of the processor."""

TOKENS: dict[str, dict[str, str]] = {
    "minimax_m3_vl": {
        f"special_{name.split()[0]}_token": f"]<]{name}[>["
        for name in ("image", "video", "start of image", "end of image")
    },
    "pp_chart2table": {"image_token": "<imgpad>"},
    "fuyu": {"speaker_token": "|SPEAKER|", "newline_token": "|NEWLINE|"},
    "qwen2_audio": {
        f"audio{part}_token": f"<|{name}|>"
        for part, name in (("", "AUDIO"), ("_bos", "audio_bos"), ("_eos", "audio_eos"))
    },
    "gemma3n": {"audio_token": "<audio>", "boa_token": "<boa>", "eoa_token": "<eoa>"},
}
"""Special tokens by the attribute that the processor asks its tokenizer for."""

PLACEHOLDERS: dict[str, str] = {
    "pp_chart2table": "<imgpad>" * 256,  # as its chat template does; its processor adds none
    "gemma3": "<boi>",
    "gemma3n": "<image>",
    "hunyuan_vl": "<image_start><image><image_end>",
    "qianfan_ocr": "<image>",
}
"""What stands for a picture in a prompt."""

_GLM_VIDEO = "<|begin_of_video|>{video_token}<|end_of_video|>"
VIDEO_PLACEHOLDERS: dict[str, str] = dict.fromkeys(
    ("glm4v", "glm4v_moe", "glm46v", "glm5_next", "glm_ocr", "glmga"), _GLM_VIDEO
)
"""What stands for a video in a prompt, where it is not the video token alone."""

REPEATED: dict[str, str] = {
    "aya_vision": "<|IMG_PATCH|>",
    "gemma3": "<image>",
    "llama4": "<|patch|>",
    "molmo2": "<im_patch>",
    "ovis2": "<IMG_ATOM>",
    "pp_chart2table": "<imgpad>",
}
"""What a processor puts once for each image token, where it is not its `image_token`."""

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "cosmos3_edge": {"return_mm_token_type_ids": True},
    "got_ocr2": {"num_image_tokens": 256},
}
"""Attributes of the processor, set when it is built."""

CONFIG: dict[str, dict[str, Any]] = {
    "gemma3": {"mm_tokens_per_image": 16},
    "got_ocr2": {"vision_config.image_size": 512},
    "pp_chart2table": {"vision_config.image_size": 512},
    "granite4_vision": _PINPOINTS,
    "minicpmv4_6": {"vision_config.insert_layer_id": 1},
    "minicpmv4_7": {"vision_config.insert_layer_id": 1},
    "molmo2": {"vision_config.num_position_embeddings": 64},
    "llava_next": _PINPOINTS,
    "llava_next_video": _PINPOINTS,
    "llava_onevision": _PINPOINTS,
}
"""Values of the model's configuration: dotted path -> value."""

_CODES = (
    "a place of a picture gets one of a few codes of a random codebook, by what lies elsewhere too; no spot tells then"
)
_OCR2 = "its tower has sizes of its own, to which its processor was not fitted here"

UNTRIED: dict[str, str] = {
    "chameleon": _CODES,
    "emu3": _CODES,
    "fast_vlm": "the strided convolutions of its tower reach over several tokens when their weights are random",
    "deepseek_ocr2": _OCR2,
    "unlimited_ocr": _OCR2,
    "diffusion_gemma": "the lens refuses the model, and no tiny one was made here",
    "gemma3n": "the lens refuses the model, and no tiny one was made here",
    "inkling2": "the lens refuses the model, and its pictures were not fitted to a tiny one",
    "shieldgemma2": "its processor makes one prompt for each policy of a picture, not one a picture",
    "evolla": "it takes proteins in place of pictures, and no pictures",
    "mistral4": "the mapped class is a text model: it takes no picture",
    "pi0": "it is a robot policy without generate(), which the lens refuses",
    "fuyu": "its processor cuts off the first token, which only the tokenizer of its checkpoint adds",
}
"""Why the paint test is not made with a model type."""

_SIZES = "the sizes of its processor for videos were not fitted to a tiny model here"

UNTRIED_VIDEOS: dict[str, str] = {
    "ernie4_5_vl_moe": "its processor writes the time onto each frame, with a font that comes with its checkpoint",
    "minimax_m3_vl": _SIZES,
    "nemotron_h_omni": _SIZES,
}
"""Why the paint test is not made with videos of a model type."""
