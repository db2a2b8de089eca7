"""Inputs with an image for a tiny model that has no processor: the shapes that processors make, tried in turn."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .recipes import NO_PROMPT, RECIPES, TEXT_ONLY
from .shrink import IMAGE

__all__ = ["InputError", "find_inputs"]

Inputs = dict[str, Tensor]
_SIDE, _PATCH = 32, 8
_PATCHES = (_SIDE // _PATCH) ** 2
_FEATURES = re.compile(r"features:?\s*(?:torch\.Size\(\[)?(\d+)")
_PICTURES = ("pixel_values", "flattened_patches", "image_patches", "high_res_pixel_values", "protein_input_ids")
_TEXT_TOKENS = (17, 23, 42, 31, 77)


class InputError(Exception):
    """No input with an image was found that the model takes."""


def find_inputs(model: Any, model_type: str) -> Inputs:
    """The first inputs that the model takes and whose image changes its logits.

    Raises:
        InputError: none; carries the error of each kind of pixels that was tried.
    """
    failures = []
    kinds = [RECIPES[model_type]] if model_type in RECIPES else list(_KINDS.values())
    for pixels in kinds:
        torch.manual_seed(1)
        try:
            first, second = pixels(model.config), pixels(model.config)
            inputs = _with_prompt(model, first)
            if model_type in TEXT_ONLY or _changes(model, inputs, second):
                return inputs
            failures.append(f"{pixels.__name__}: the image changes no logit")
        except Exception as error:  # any error of a model that was given wrong shapes
            failures.append(f"{pixels.__name__}: {type(error).__name__}: {str(error).strip()[:160]}")
    raise InputError("; ".join(failures))


@torch.no_grad()
def _with_prompt(model: Any, pixels: Inputs) -> Inputs:
    """A prompt with as many image tokens as the image has features, which the model's own error message names."""
    counts, tried = [4, 1, 16], set()
    error: Exception = InputError("no count")
    while counts and len(tried) < 8:
        count = counts.pop(0)
        if count in tried or not 0 < count < 4096:
            continue
        tried.add(count)
        inputs = _spread({**_prompt(model, count, pixels), **pixels})
        try:
            model(**inputs)
            return inputs
        except Exception as refusal:
            found = _FEATURES.search(str(refusal))
            if not found:
                error = refusal
                continue
            features = int(found[1])
            counts = [features, features // 32, *counts]
            error = refusal if isinstance(error, InputError) else error
    raise error


def _spread(inputs: Inputs) -> Inputs:
    """Per-token inputs that a recipe cannot know the length of."""
    ids = inputs.get("input_ids")
    if ids is None:
        return inputs
    length, is_image = ids.shape[1], ids == IMAGE
    made = {
        "image_attention_mask": lambda: torch.ones(1, length, 1),
        "cross_attention_mask": lambda: inputs["cross_attention_mask"].expand(-1, length, -1, -1).clone(),
        "image_embeds_position_mask": lambda: is_image.long(),
        "bbox": lambda: torch.rand(1, length, 4) * torch.tensor([0.4, 0.4, 0.5, 0.5]),
        "qformer_input_ids": lambda: inputs["qformer_input_ids"],
    }
    return {name: made[name]() if name in made else value for name, value in inputs.items()}


def _prompt(model: Any, image_tokens: int, pixels: Inputs) -> Inputs:
    names = inspect.signature(model.forward).parameters
    ids = torch.tensor([[1, *[IMAGE] * image_tokens, *_TEXT_TOKENS]])
    inputs: Inputs = {}
    if "input_ids" in names and model.config.model_type not in NO_PROMPT:
        inputs["input_ids"] = ids
    if "attention_mask" in names and "attention_mask" not in pixels:
        inputs["attention_mask"] = torch.ones_like(ids)
    for name in ("mm_token_type_ids", "token_type_ids"):
        if name in names:
            inputs[name] = (ids == IMAGE).long()
    if "decoder_input_ids" in names and model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = torch.tensor([[1, 17, 23]])
    return inputs


@torch.no_grad()
def _changes(model: Any, inputs: Inputs, other: Inputs) -> bool:
    first = model(**inputs).logits[:, -1]
    pictures = {name: value for name, value in other.items() if name in _PICTURES}
    second = model(**{**inputs, **pictures}).logits[:, -1]
    return not torch.allclose(first, second, atol=1e-6)


def square(config: Any) -> Inputs:
    """CLIP and SigLIP towers."""
    return {"pixel_values": torch.randn(1, 3, _SIDE, _SIDE)}


def grid(config: Any) -> Inputs:
    """Qwen2-VL and models like it: flattened patches and their grid."""
    vision = config.vision_config
    depth = getattr(vision, "temporal_patch_size", None) or getattr(vision, "patch_temporal", 1)
    return {
        "pixel_values": torch.randn(_PATCHES, 3 * int(depth) * _PATCH * _PATCH),
        "image_grid_thw": torch.tensor([[1, _SIDE // _PATCH, _SIDE // _PATCH]]),
    }


def flat_grid(config: Any) -> Inputs:
    """The same without a temporal axis."""
    return {
        "pixel_values": torch.randn(_PATCHES, 3 * _PATCH * _PATCH),
        "image_grid_thw": torch.tensor([[1, _SIDE // _PATCH, _SIDE // _PATCH]]),
    }


def patch_grid(config: Any) -> Inputs:
    """Patches as small pictures, and their grid."""
    return {
        "pixel_values": torch.randn(_PATCHES, 3, _PATCH, _PATCH),
        "image_grid_thw": torch.tensor([[1, _SIDE // _PATCH, _SIDE // _PATCH]]),
    }


def tiles(config: Any) -> Inputs:
    """LLaVA-NeXT and models like it: a tile and the whole picture, with the size of the original."""
    return {"pixel_values": torch.randn(1, 2, 3, _SIDE, _SIDE), "image_sizes": torch.tensor([[_SIDE, _SIDE]])}


def sized(config: Any) -> Inputs:
    """Pixtral towers: a picture with its size."""
    return {"pixel_values": torch.randn(1, 3, _SIDE, _SIDE), "image_sizes": torch.tensor([[_SIDE, _SIDE]])}


def several(config: Any) -> Inputs:
    """Idefics and models like it: a list of pictures a row, with a mask of their pixels."""
    return {
        "pixel_values": torch.randn(1, 1, 3, _SIDE, _SIDE),
        "pixel_attention_mask": torch.ones(1, 1, _SIDE, _SIDE, dtype=torch.bool),
    }


def nested(config: Any) -> Inputs:
    """A list of pictures a row and nothing else."""
    return {"pixel_values": torch.randn(1, 1, 3, _SIDE, _SIDE)}


_KINDS: dict[str, Callable[[Any], Inputs]] = {
    kind.__name__: kind for kind in (square, grid, several, tiles, sized, flat_grid, patch_grid, nested)
}
