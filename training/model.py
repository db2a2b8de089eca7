"""Build the untrained model and its processor, and save the two as an ordinary Hugging Face folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)


@dataclass(frozen=True)
class TextShape:
    """Sizes of a Qwen2 decoder."""

    width: int = 128
    layers: int = 8
    inner: int = 320
    heads: int = 4
    kv_heads: int = 2

    def settings(self, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
        """The configuration of the decoder, with the token ids and the longest text of the tokenizer."""
        return {
            "vocab_size": (len(tokenizer) + 63) // 64 * 64,
            "hidden_size": self.width,
            "intermediate_size": self.inner,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "max_position_embeddings": tokenizer.model_max_length,
            "rope_theta": 10000.0,
            "bos_token_id": tokenizer.convert_tokens_to_ids("<|endoftext|>"),
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        }


@dataclass(frozen=True)
class Shape(TextShape):
    """Sizes of the model; pictures are 64 x 64 and give 16 image tokens."""

    layers: int = 10
    vision_width: int = 128
    vision_layers: int = 4
    vision_ratio: int = 2
    vocabulary: int = 4096
    patch: int = 8


def build_config(shape: Shape, tokenizer: PreTrainedTokenizerFast) -> Qwen2VLConfig:
    """A Qwen2-VL configuration with the token ids of the tokenizer."""

    def ids(token: str) -> int:
        return int(tokenizer.convert_tokens_to_ids(token))

    text = shape.settings(tokenizer) | {
        "rope_scaling": {"type": "mrope", "mrope_section": [4, 6, 6]},
        "tie_word_embeddings": True,
    }
    vision = {
        "depth": shape.vision_layers,
        "embed_dim": shape.vision_width,
        "hidden_size": shape.width,
        "mlp_ratio": shape.vision_ratio,
        "num_heads": 4,
        "patch_size": shape.patch,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "in_channels": 3,
    }
    return Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )


def build_model(config: Qwen2VLConfig, layers: int) -> Qwen2VLForConditionalGeneration:
    """Fresh weights; residual outputs are scaled down with depth so that training is steady at 1e-3."""
    config._attn_implementation = "sdpa"
    model = Qwen2VLForConditionalGeneration(config).float()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() >= 2 and "embed_tokens" not in name and "patch_embed" not in name:
                weight.normal_(0.0, weight.shape[1] ** -0.5)
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.mul_((2 * layers) ** -0.5)
    return model


def build_processor(tokenizer: PreTrainedTokenizerFast, patch: int) -> Qwen2VLProcessor:
    """A Qwen2-VL processor that brings every picture to the area of 64 x 64 pixels."""
    sizes = {"patch_size": patch, "merge_size": 2, "temporal_patch_size": 2}
    area = {"min_pixels": 64 * 64, "max_pixels": 64 * 64}
    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**sizes, **area),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**sizes, **area),
        chat_template=tokenizer.chat_template,
    )


def _both_versions(config: dict[str, Any]) -> dict[str, Any]:
    """Name the rotary settings and the dtype as transformers 4 reads them, beside version 5's names."""
    text = config["text_config"]
    rope = text.get("rope_parameters") or text["rope_scaling"]
    text["rope_theta"] = rope.get("rope_theta", 10000.0)
    text["rope_scaling"] = {"type": "mrope", "rope_type": "default", "mrope_section": rope["mrope_section"]}
    text["tie_word_embeddings"] = True
    for part in (config, text, config["vision_config"]):
        part["dtype"] = "float32"
        part["torch_dtype"] = "float32"
    return config


def _older_tokenizer(config: dict[str, Any]) -> dict[str, Any]:
    """The class and the list of special tokens under the names that both versions of transformers know."""
    special = config.pop("extra_special_tokens")
    return config | {"tokenizer_class": "PreTrainedTokenizerFast", "additional_special_tokens": special}


def _rewrite(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change a JSON file."""
    changed = change(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(changed, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def greedy(text: Any) -> GenerationConfig:
    """Generation settings of a decoder's configuration."""
    return GenerationConfig(
        do_sample=False, bos_token_id=text.bos_token_id, eos_token_id=text.eos_token_id, pad_token_id=text.pad_token_id
    )


def halve_weights(folder: Path) -> None:
    """Store the weights of a folder as float16."""
    weights = {name: value.half() for name, value in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def save_folder(
    model: Qwen2VLForConditionalGeneration, processor: Qwen2VLProcessor, folder: Path, half: bool = True
) -> None:
    """Write config, weights, tokenizer, processor and generation settings.

    ``half`` stores the weights in float16 to halve the folder; ``dtype`` in the config stays float32, so they
    are loaded and computed in float32.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.generation_config = greedy(model.config.text_config)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    _rewrite(folder / "config.json", _both_versions)
    _rewrite(folder / "tokenizer_config.json", _older_tokenizer)
    # Version 4 reads the image processor's settings from a file of its own.
    sizes = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))["image_processor"]
    sizes["min_pixels"], sizes["max_pixels"] = sizes["size"]["shortest_edge"], sizes["size"]["longest_edge"]
    (folder / "preprocessor_config.json").write_text(json.dumps(sizes, indent=2) + "\n", encoding="utf-8")
    if half:
        halve_weights(folder)
    (folder / "model.safetensors").chmod(0o644)
