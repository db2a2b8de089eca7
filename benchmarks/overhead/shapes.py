"""The models that are timed, and their inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from lens_models import load_model

__all__ = ["SHAPES", "Shape"]

_TEXT = 30  # tokens of the question and the chat template


@dataclass(frozen=True)
class Shape:
    """A model to time; `make` makes it. `grid` is the image in patches (height, width): four patches are one token."""

    name: str
    make: Callable[[], Any]
    grid: tuple[int, int]

    def build(self, device: torch.device, dtype: torch.dtype) -> Any:
        """The model where it will run; what has random weights is made there, for a processor takes minutes."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            with torch.device(device):
                return self.make().to(device, dtype)
        finally:
            torch.set_default_dtype(before)

    def inputs(self, model: Any, batch: int) -> dict[str, Tensor]:
        """Inputs of `batch` equal prompts of an image and a question, as the processor of Qwen2-VL makes them."""
        config = model.config
        vision, text = config.vision_config, config.text_config
        merge = vision.spatial_merge_size
        patches = self.grid[0] * self.grid[1]
        generator = torch.Generator().manual_seed(1)
        width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
        words = torch.randint(0, min(2000, text.vocab_size), (1, _TEXT), generator=generator)
        image = torch.full((1, patches // merge**2), config.image_token_id)
        start, end = torch.tensor([[config.vision_start_token_id]]), torch.tensor([[config.vision_end_token_id]])
        ids = torch.cat([words[:, :10], start, image, end, words[:, 10:]], dim=1).expand(batch, -1).contiguous()
        pixels = torch.randn(patches, width, generator=generator)
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "mm_token_type_ids": (ids == config.image_token_id).long(),
            "pixel_values": pixels.repeat(batch, 1),
            "image_grid_thw": torch.tensor([[1, *self.grid]]).expand(batch, -1).contiguous(),
        }


def _random(text: dict[str, Any], vision: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    head = text["hidden_size"] // text["num_attention_heads"]
    sections = [head // 8, head * 3 // 16, head * 3 // 16]
    text = {"tie_word_embeddings": True} | text
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": sections}
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": 151_936,
            "num_key_value_heads": 2,
            "max_position_embeddings": 32_768,
            "rope_parameters": rope,
            **text,
        },
        vision_config={"hidden_size": text["hidden_size"], "mlp_ratio": 4, **vision},
        tie_word_embeddings=text["tie_word_embeddings"],
    )
    model = Qwen2VLForConditionalGeneration(config).eval()
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = 0
    return model


def _half_b() -> Any:
    # Qwen2-0.5B with a vision tower of next to no weight: a real one would only make the lens look cheaper
    text = {"hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14, "intermediate_size": 4864}
    return _random(text, {"depth": 2, "embed_dim": 128, "num_heads": 2})


def _two_b() -> Any:
    text = {"hidden_size": 1536, "num_hidden_layers": 28, "num_attention_heads": 12, "intermediate_size": 8960}
    return _random(text, {"depth": 32, "embed_dim": 1280, "num_heads": 16})


def _seven_b() -> Any:
    text = {"hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28, "intermediate_size": 18_944}
    untied = {"num_key_value_heads": 4, "vocab_size": 152_064, "tie_word_embeddings": False}
    return _random(text | untied, {"depth": 32, "embed_dim": 1280, "num_heads": 16})


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("lens_tiny", lambda: load_model("lens_tiny", device="cpu").model, (12, 16)),
        Shape("qwen2-vl-0.5b", _half_b, (34, 46)),  # a photograph of 640x480 in Qwen2-VL's patches
        Shape("qwen2-vl-2b", _two_b, (34, 46)),
        Shape("qwen2-vl-7b", _seven_b, (34, 46)),
    )
}
"""By name. Weights of all but the first are random: the time does not depend on them."""
