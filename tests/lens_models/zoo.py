"""Tiny random vision-language models with matching inputs, one specimen an architecture, no downloads.

Every norm weight and bias is random, so that a norm left out, applied twice or a scale ignored changes the logits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModelForImageTextToText

VOCABULARY, WIDTH = 160, 32
IMAGE, VIDEO, VISION_START, VISION_END = 150, 151, 152, 153
FIRST_TEXT_TOKEN, LAST_TEXT_TOKEN = 10, 140
PAD = 0

Inputs = dict[str, Tensor]
_TEXT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": PAD,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}
_QWEN_VISION: dict[str, Any] = {"depth": 2, "num_heads": 4, "patch_size": 8, "spatial_merge_size": 2}
_QWEN_IDS = {
    "image_token_id": IMAGE,
    "video_token_id": VIDEO,
    "vision_start_token_id": VISION_START,
    "vision_end_token_id": VISION_END,
}
_MROPE = {"rope_type": "default", "mrope_section": [1, 1, 2]}


@dataclass(frozen=True)
class Specimen:
    """How to build one tiny model and its inputs.

    `config` are the arguments of the model type's configuration class, `image_tokens` how many tokens an image takes in
    the prompt, `pixels` makes the image arguments of a batch of the given size.
    """

    model_type: str
    config: dict[str, Any]
    image_tokens: int
    pixels: Callable[[int], Inputs]
    layers_path: str = "model.language_model.layers"

    def build(self, dtype: torch.dtype = torch.float32, seed: int = 0, **changes: Any) -> Any:
        """A randomised model in eval mode that never stops by itself and says no image."""
        torch.manual_seed(seed)
        config = CONFIG_MAPPING[self.model_type](**self.config)
        for name, value in changes.items():
            setattr(config.get_text_config(), name, value)
        model = AutoModelForImageTextToText.from_config(config, attn_implementation="eager")
        randomise(model)
        model.generation_config.eos_token_id = None
        model.generation_config.pad_token_id = PAD
        model.generation_config.suppress_tokens = [IMAGE, VIDEO]
        return model.to(dtype).eval()

    def inputs(self, text_lengths: tuple[int, ...] = (6,), dtype: torch.dtype = torch.float32, seed: int = 1) -> Inputs:
        """A left-padded batch: one image a row, then as many random text tokens as the row's text length."""
        generator = torch.Generator().manual_seed(seed)
        rows = [
            torch.cat([
                torch.tensor([1, VISION_START] + [IMAGE] * self.image_tokens + [VISION_END]),
                torch.randint(FIRST_TEXT_TOKEN, LAST_TEXT_TOKEN, (length,), generator=generator),
            ])
            for length in text_lengths
        ]  # fmt: skip
        longest = max(len(row) for row in rows)
        ids = torch.full((len(rows), longest), PAD)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, longest - len(row) :] = row
            mask[index, longest - len(row) :] = 1
        torch.manual_seed(seed)
        pixels = self.pixels(len(rows))
        wide = {name: value.to(dtype) if value.is_floating_point() else value for name, value in pixels.items()}
        extra = {"mm_token_type_ids": (ids == IMAGE).long()} if self.model_type.startswith("qwen") else {}
        if self.model_type in ("gemma3", "paligemma"):
            extra = {"token_type_ids": (ids == IMAGE).long()}
        if self.model_type == "mllama":
            wide["cross_attention_mask"] = mask[:, :, None, None].clone()
        return {"input_ids": ids, "attention_mask": mask, **extra, **wide}


def randomise(model: nn.Module) -> None:
    """Fill every parameter so that no norm weight is one, no bias and no gate zero, and logits spread over several."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2:
                fan_in = parameter[0].numel()
                parameter.normal_(0.0, 1.5 / fan_in**0.5)
            elif name.endswith("weight"):
                parameter.normal_(1.0, 0.3)
            else:
                parameter.normal_(0.0, 0.3)


def layer_list(model: nn.Module, path: str) -> nn.ModuleList:
    """The module list at a dotted path."""
    layers = model.get_submodule(path)
    assert isinstance(layers, nn.ModuleList)
    return layers


def _square(batch: int) -> Inputs:
    return {"pixel_values": torch.randn(batch, 3, 32, 32)}


def _idefics(batch: int) -> Inputs:
    return {
        "pixel_values": torch.randn(batch, 1, 3, 32, 32),
        "pixel_attention_mask": torch.ones(batch, 1, 32, 32, dtype=torch.bool),
    }


def _anyres(batch: int) -> Inputs:
    return {"pixel_values": torch.randn(batch, 2, 3, 32, 32), "image_sizes": torch.tensor([[32, 32]] * batch)}


def _patches(batch: int) -> Inputs:
    return {
        "pixel_values": torch.randn(batch * 16, 3 * 2 * 8 * 8),
        "image_grid_thw": torch.tensor([[1, 4, 4]] * batch),
    }


def _mllama(batch: int) -> Inputs:
    return {
        "pixel_values": torch.randn(batch, 1, 1, 3, 32, 32),
        "aspect_ratio_ids": torch.ones(batch, 1, dtype=torch.long),
        "aspect_ratio_mask": torch.ones(batch, 1, 1, dtype=torch.long),
    }


def _text(model_type: str, **changes: Any) -> dict[str, Any]:
    return {"model_type": model_type, **_TEXT, **changes}


def _clip(**changes: Any) -> dict[str, Any]:
    return {"model_type": "clip_vision_model", **_VISION, **changes}


def _siglip(**changes: Any) -> dict[str, Any]:
    return {"model_type": "siglip_vision_model", **_VISION, **changes}


_SPECIMENS = (
    Specimen(
        "qwen2_vl",
        {
            "text_config": _text("qwen2_vl_text", rope_parameters=_MROPE),
            "vision_config": {**_QWEN_VISION, "embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2},
            **_QWEN_IDS,
        },
        4,
        _patches,
    ),
    Specimen(
        "qwen2_5_vl",
        {
            "text_config": _text("qwen2_5_vl_text", rope_parameters=_MROPE),
            "vision_config": {
                **_QWEN_VISION,
                "hidden_size": 32,
                "intermediate_size": 48,
                "out_hidden_size": 32,
                "window_size": 32,
                "fullatt_block_indexes": [1],
            },
            **_QWEN_IDS,
        },
        4,
        _patches,
    ),
    Specimen(
        "qwen3_vl",
        {
            "text_config": _text("qwen3_vl_text", head_dim=8, rope_parameters=_MROPE),
            "vision_config": {
                **_QWEN_VISION,
                "hidden_size": 32,
                "intermediate_size": 48,
                "out_hidden_size": 32,
                "num_position_embeddings": 16,
                "deepstack_visual_indexes": [0, 1],
            },
            **_QWEN_IDS,
        },
        4,
        _patches,
    ),
    Specimen(
        "llava",
        {"text_config": _text("llama"), "vision_config": _clip(), "image_token_index": IMAGE},
        16,
        _square,
    ),
    Specimen(
        "llava_onevision",
        {
            "text_config": _text("qwen2"),
            "vision_config": _siglip(),
            "image_token_index": IMAGE,
            "video_token_index": VIDEO,
            "image_grid_pinpoints": [[32, 32]],
        },
        36,
        _anyres,
    ),
    Specimen(
        "smolvlm",
        {"text_config": _text("llama"), "vision_config": dict(_VISION), "image_token_id": IMAGE},
        4,
        _idefics,
        layers_path="model.text_model.layers",
    ),
    Specimen(
        "idefics3",
        {"text_config": _text("llama"), "vision_config": dict(_VISION), "image_token_id": IMAGE},
        4,
        _idefics,
        layers_path="model.text_model.layers",
    ),
    Specimen(
        "paligemma",
        {
            "text_config": _text("gemma2", head_dim=8, final_logit_softcapping=3.0, query_pre_attn_scalar=8),
            "vision_config": _siglip(projection_dim=32),
            "image_token_index": IMAGE,
            "projection_dim": 32,
            "hidden_size": 32,
        },
        16,
        _square,
    ),
    Specimen(
        "gemma3",
        {
            "text_config": _text("gemma3_text", head_dim=8, final_logit_softcapping=3.0, query_pre_attn_scalar=8),
            "vision_config": _siglip(),
            "image_token_index": IMAGE,
            "boi_token_index": VISION_START,
            "eoi_token_index": VISION_END,
            "mm_tokens_per_image": 4,
        },
        4,
        _square,
    ),
    Specimen(
        "internvl",
        {
            "text_config": _text("qwen2"),
            "vision_config": {**_VISION, "image_size": [32, 32], "patch_size": [8, 8]},
            "image_token_id": IMAGE,
        },
        4,
        _square,
    ),
    Specimen(
        "mllama",
        {
            "text_config": _text("mllama_text_model", num_hidden_layers=5, cross_attention_layers=[1, 3]),
            "vision_config": {
                "hidden_size": 32,
                "attention_heads": 4,
                "intermediate_size": 48,
                "num_hidden_layers": 2,
                "num_global_layers": 1,
                "vision_output_dim": 64,
                "image_size": 32,
                "patch_size": 8,
                "max_num_tiles": 1,
                "intermediate_layers_indices": [0],
                "supported_aspect_ratios": [[1, 1]],
            },
            "image_token_index": IMAGE,
        },
        1,
        _mllama,
    ),
    Specimen(
        "cohere2_vision",
        {
            "text_config": _text("cohere2", logit_scale=0.25, sliding_window=64),
            "vision_config": _siglip(),
            "image_token_id": IMAGE,
            "downsample_factor": 2,
        },
        4,
        _square,
    ),
)

ZOO: dict[str, Specimen] = {specimen.model_type: specimen for specimen in _SPECIMENS}
