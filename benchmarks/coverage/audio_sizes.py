"""What the rules of `processors` and `shrink` cannot guess of models that take sounds, by model type."""

from __future__ import annotations

from typing import Any

__all__ = ["CONFIG_OF_SOUNDS", "EXTRACTORS", "SOUND_PLACEHOLDERS"]

_WHISPER = {"feature_size": 16, "chunk_length": 2}
_GRANITE = {"encoder_config.hidden_dim": 32, "encoder_config.dim_head": 8, "encoder_config.num_heads": 4}
_TWO_SECONDS = {"audio_config.max_source_positions": 100}
_NEMO = {"ext_pw_out_channel": 32, "depthwise_separable_out_channel": 32, "nemo_conv_channels": 32, "num_blocks": 2}

EXTRACTORS: dict[str, dict[str, Any]] = {
    "audioflamingo3": _WHISPER,
    "glmasr": _WHISPER,
    "inkling_mm_model": {"feature_size": 16},
    "moss_transcribe_diarize": {"feature_size": 16},
    "musicflamingo": _WHISPER,
    "nemo_speechlm": {"feature_size": 16},
    "qwen2_5_omni_thinker": _WHISPER,
    "qwen2_audio": _WHISPER,
    "qwen3_asr": {"feature_size": 16},
    "qwen3_omni_moe_thinker": _WHISPER,
}
"""Arguments of the feature extractor."""

CONFIG_OF_SOUNDS: dict[str, dict[str, Any]] = {
    "audioflamingo3": _TWO_SECONDS,
    "dots3_note": {"audio_config.conv_output_size": 768, "audio_config.num_key_value_heads": 4},
    "gemma4": {
        "audio_config": {
            "model_type": "gemma4_audio",
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "subsampling_conv_channels": (128, 4),
            "output_proj_dims": 32,
        }
    },
    "gemma4_unified": {"audio_config": {"model_type": "gemma4_unified_audio"}},
    "glmasr": {"audio_config.intermediate_size": 128},
    "granite_speech": _GRANITE,
    "granite_speech_plus": _GRANITE,
    "moss_transcribe_diarize": {"audio_config.max_source_positions": 1500},
    "muse_spark": {"audio_config.num_hidden_layers": 4, "audio_config.hidden_sizes": (8, 16, 16, 32)},
    "musicflamingo": _TWO_SECONDS,
    "nemo_speechlm": {
        "audio_config.asr_config.num_key_value_heads": 4,
        "audio_config.diarization_config.audio_config.num_key_value_heads": 4,
        "audio_config.diarization_config.head_config.audio_hidden_size": 32,
    },
    "nemotron_h_omni": {
        "audio_config": {
            "model_type": "parakeet_encoder",
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 48,
            "subsampling_conv_channels": 8,
            "projection_hidden_size": 48,
            "projection_bias": False,
        }
    },
    "phi4_multimodal": {f"audio_config.{name}": value for name, value in _NEMO.items()},
    "qwen2_audio": _TWO_SECONDS,
    "vibevoice_asr": {
        f"{part}_tokenizer_encoder_config.{name}": value
        for part in ("acoustic", "semantic")
        for name, value in {"num_filters": 4, "depths": (1,) * 7, "vae_std": 0.0}.items()
    },
    "voxtral": {"audio_config.intermediate_size": 128, "audio_token_id": 120},
}
"""Values of the model's configuration: dotted path -> value; a mapping with a `model_type` is made one itself."""

SOUND_PLACEHOLDERS: dict[str, str] = {}
"""What stands for a sound in a prompt, where it is not the audio token alone."""
