"""Pixels of the model types that take them in a shape of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["NO_PROMPT", "RECIPES", "TEXT_ONLY"]


def mllama(config: Any) -> dict[str, Tensor]:
    """Tiles with their aspect ratio; every text token attends to them."""
    tiles = config.vision_config.max_num_tiles
    return {
        "pixel_values": torch.randn(1, 1, tiles, 3, 32, 32),
        "aspect_ratio_ids": torch.ones(1, 1, dtype=torch.long),
        "aspect_ratio_mask": torch.ones(1, 1, tiles, dtype=torch.long),
        "cross_attention_mask": torch.ones(1, 1, 1, tiles, dtype=torch.long),
    }


def pix2struct(config: Any) -> dict[str, Tensor]:
    """Patches with their row and column in front."""
    patches = torch.randn(1, 16, 2 + 3 * 8 * 8)
    patches[..., 0] = torch.arange(16) // 4 + 1
    patches[..., 1] = torch.arange(16) % 4 + 1
    return {"flattened_patches": patches, "attention_mask": torch.ones(1, 16)}


def hybrid(config: Any) -> dict[str, Tensor]:
    """DeepSeek-VL hybrid: the picture in two resolutions."""
    high = config.high_res_vision_config.image_size
    return {"pixel_values": torch.randn(1, 3, 32, 32), "high_res_pixel_values": torch.randn(1, 3, high, high)}


def idefics(config: Any) -> dict[str, Tensor]:
    """Pictures beside the text, and which token sees which."""
    return {"pixel_values": torch.randn(1, 1, 3, 32, 32), "image_attention_mask": torch.ones(1, 1, 1)}


def qformer(config: Any) -> dict[str, Tensor]:
    """InstructBLIP: the question goes into the Q-Former too."""
    return {"pixel_values": torch.randn(1, 3, 32, 32), "qformer_input_ids": torch.tensor([[1, 17, 23]])}


def qformer_frames(config: Any) -> dict[str, Tensor]:
    """InstructBLIP for video: one frame."""
    return {"pixel_values": torch.randn(1, 1, 3, 32, 32), "qformer_input_ids": torch.tensor([[1, 17, 23]])}


def kosmos2(config: Any) -> dict[str, Tensor]:
    """Features at marked positions."""
    return {"pixel_values": torch.randn(1, 3, 32, 32), "image_embeds_position_mask": torch.ones(1, 1)}


def kosmos25(config: Any) -> dict[str, Tensor]:
    """Patches with row and column, features at marked positions."""
    patches = pix2struct(config)["flattened_patches"]
    return {"flattened_patches": patches, "image_embeds_position_mask": torch.ones(1, 1)}


def targeted(config: Any) -> dict[str, Tensor]:
    """MiniCPM-V: a strip of patches with its grid."""
    return {"pixel_values": torch.randn(1, 3, 8, 16 * 8), "target_sizes": torch.tensor([[4, 4]])}


def merged(config: Any) -> dict[str, Tensor]:
    """VideoLLaMA 3: patches with a merge size a picture."""
    return {
        "pixel_values": torch.randn(16, 3 * 8 * 8),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
        "image_merge_sizes": torch.tensor([2]),
    }


def shaped(config: Any) -> dict[str, Tensor]:
    """LFM2-VL: padded patches, their mask and grid."""
    return {
        "pixel_values": torch.randn(1, 16, 3 * 8 * 8),
        "pixel_attention_mask": torch.ones(1, 16, dtype=torch.long),
        "spatial_shapes": torch.tensor([[4, 4]]),
    }


def document(config: Any) -> dict[str, Tensor]:
    """UDOP: a page with the boxes of its words."""
    return {"pixel_values": torch.randn(1, 3, 32, 32), "bbox": torch.zeros(1, 1, 4)}


def patches(config: Any) -> dict[str, Tensor]:
    """Fuyu: a row of flattened patches."""
    return {"image_patches": torch.randn(1, 16, 3 * 8 * 8)}


def placed(config: Any) -> dict[str, Tensor]:
    """Gemma 4: flattened patches with their column and row."""
    places = torch.stack(torch.meshgrid(torch.arange(6), torch.arange(6), indexing="xy"), -1).reshape(1, 36, 2)
    return {"pixel_values": torch.rand(1, 36, 3 * 8 * 8), "image_position_ids": places}


def blocks(config: Any) -> dict[str, Tensor]:
    """Gemma 4 unified: blocks of three by three patches with their column and row."""
    places = torch.tensor([[[0, 0], [1, 0], [0, 1], [1, 1]]])
    return {"pixel_values": torch.rand(1, 4, 3 * 24 * 24), "image_position_ids": places}


def frame_grid(config: Any) -> dict[str, Tensor]:
    """Nemotron Omni: patches with the height and width of their grid."""
    return {"pixel_values": torch.randn(16, 3 * 8 * 8), "image_grid_hw": torch.tensor([[4, 4]])}


def tile(config: Any) -> dict[str, Tensor]:
    """Granite Docling: tiles, and which of them are no padding."""
    return {"pixel_values": torch.randn(1, 1, 3, 32, 32), "pixel_attention_mask": torch.ones(1, 1, dtype=torch.bool)}


def pooled(config: Any) -> dict[str, Tensor]:
    """Molmo 2: flattened patches of a crop, and which four of them make a token."""
    corners = torch.tensor([0, 2, 8, 10])
    return {
        "pixel_values": torch.randn(1, 16, 3 * 8 * 8),
        "image_token_pooling": torch.stack([corners, corners + 1, corners + 4, corners + 5], -1),
        "image_grids": torch.tensor([[2, 2, 0, 0]]),
    }


def frames_of_patches(config: Any) -> dict[str, Tensor]:
    """Inkling: each patch twice, as two frames, channels last."""
    return {"pixel_values": torch.randn(4, 2, 8, 8, 3)}


def merged_patches(config: Any) -> dict[str, Tensor]:
    """Inkling 2: two by two patches a token, channels last, and the grid of tokens."""
    return {"pixel_values": torch.randn(4, 16, 16, 3), "image_grid_thw": torch.tensor([[1, 2, 2]])}


def perception(config: Any) -> dict[str, Tensor]:
    """Perception LM: a list of tiles a row, patches of 14."""
    return {"pixel_values": torch.randn(1, 1, 3, 28, 28)}


def emu(config: Any) -> dict[str, Tensor]:
    """Emu3: a picture that its tokenizer of pictures turns into codes."""
    return {"pixel_values": torch.randn(1, 3, 32, 32), "image_sizes": torch.tensor([[32, 32]])}


def protein(config: Any) -> dict[str, Tensor]:
    """Evolla: a protein in place of the picture."""
    return {
        "protein_input_ids": torch.randint(4, 20, (1, 6)),
        "protein_attention_mask": torch.ones(1, 6, dtype=torch.long),
    }


def nothing(config: Any) -> dict[str, Tensor]:
    """No pixels."""
    return {}


RECIPES: dict[str, Callable[[Any], dict[str, Tensor]]] = {
    "deepseek_vl_hybrid": hybrid,
    "emu3": emu,
    "evolla": protein,
    "fuyu": patches,
    "gemma4": placed,
    "gemma4_unified": blocks,
    "granite_docling": tile,
    "idefics": idefics,
    "inkling2": merged_patches,
    "inkling_mm_model": frames_of_patches,
    "instructblip": qformer,
    "instructblipvideo": qformer_frames,
    "kosmos-2": kosmos2,
    "kosmos-2.5": kosmos25,
    "lfm2_vl": shaped,
    "minicpm_ocr": targeted,
    "minicpmv4_6": targeted,
    "minicpmv4_7": targeted,
    "mistral4": nothing,
    "mllama": mllama,
    "molmo2": pooled,
    "nemotron_h_omni": frame_grid,
    "perception_lm": perception,
    "pix2struct": pix2struct,
    "udop": document,
    "video_llama_3": merged,
}

# the mapped class is a text model: it takes no image
TEXT_ONLY = ("mistral4",)

# its encoder sees the image alone; input_ids stands in the signature and is not read
NO_PROMPT = ("pp_formulanet",)
