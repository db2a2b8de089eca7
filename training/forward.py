"""Forward passes for training: whole batches of 64 x 64 pictures at once, and packed rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import nn
from transformers import Qwen2VLForConditionalGeneration
from transformers.models.qwen2_vl.modeling_qwen2_vl import apply_rotary_pos_emb_vision

from training.packing import Batch, Row

_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
_STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)


def video_patches(videos: npt.NDArray[np.uint8], patch: int = 8, merge: int = 2) -> torch.Tensor:
    """Videos uint8 [batch, frames, 64, 64, 3] to the processor's patches, float32 [batch * frames / 2, 64, 384].

    Attention of Qwen2-VL's vision tower stays within a pair of frames, so that `see` takes the pairs for pictures.
    """
    batch, frames, side = *videos.shape[:2], videos.shape[2] // (patch * merge)
    scaled = (videos.astype(np.float32) / 255.0 - _MEAN) / _STD
    cut = scaled.reshape(batch * frames // 2, 2, side, merge, patch, side, merge, patch, 3)
    ordered = cut.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7)
    return torch.from_numpy(np.ascontiguousarray(ordered).reshape(len(ordered), side * side * merge * merge, -1))


def patches(pictures: npt.NDArray[np.uint8], patch: int = 8, merge: int = 2) -> torch.Tensor:
    """Pictures uint8 [batch, 64, 64, 3] to the processor's patches, float32 [batch, 64, 3 * 2 * patch * patch]."""
    batch, side = len(pictures), pictures.shape[1] // (patch * merge)
    scaled = (pictures.astype(np.float32) / 255.0 - _MEAN) / _STD
    cut = scaled.reshape(batch, side, merge, patch, side, merge, patch, 3).transpose(0, 1, 4, 2, 5, 7, 3, 6)
    twice = np.repeat(cut[:, :, :, :, :, :, None], 2, axis=6)
    return torch.from_numpy(twice.reshape(batch, side * side * merge * merge, -1))


def see(model: Qwen2VLForConditionalGeneration, pixels: torch.Tensor) -> torch.Tensor:
    """Image embeddings [batch, 16, width] of equally large pictures; equals the model's own vision tower."""
    visual = model.model.visual
    batch, count, _ = pixels.shape
    side = int(count**0.5)
    grid = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"), dim=-1)
    order = grid.view(side // 2, 2, side // 2, 2, 2).permute(0, 2, 1, 3, 4).reshape(count, 2)
    weight = visual.patch_embed.proj.weight
    hidden = F.linear(pixels, weight.view(weight.shape[0], -1))
    rotary = visual.rotary_pos_emb(hidden[0], order)
    for block in visual.blocks:
        attention = block.attn
        q, k, v = attention.qkv(block.norm1(hidden)).view(batch, count, 3, attention.num_heads, -1).unbind(2)
        q, k = apply_rotary_pos_emb_vision(
            q.reshape(batch * count, *q.shape[2:]),
            k.reshape(batch * count, *k.shape[2:]),
            *(part.repeat(batch, 1) for part in rotary),
        )
        q, k = (part.view(batch, count, attention.num_heads, -1) for part in (q, k))
        mixed = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        hidden = hidden + attention.proj(mixed.transpose(1, 2).reshape(batch, count, -1))
        hidden = hidden + block.mlp(block.norm2(hidden))
    return visual.merger(hidden.reshape(batch * count, -1)).view(batch, count // 4, -1)


def answer_logits(model: Qwen2VLForConditionalGeneration, images: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Logits [picked, vocabulary] at the positions that predict an answer token.

    ``images`` are the embeddings of all pictures and videos, [..., width], in the order of the rows.
    """
    embedded = model.model.language_model.embed_tokens(batch.ids)
    embedded = embedded.masked_scatter(batch.image_mask[..., None], images)
    out = model.model.language_model(
        inputs_embeds=embedded,
        attention_mask={"full_attention": batch.mask},
        position_ids=batch.positions,
        use_cache=False,
    ).last_hidden_state
    return model.lm_head(out.flatten(0, 1)[batch.picked])


def trunk_outputs(
    model: Qwen2VLForConditionalGeneration, videos: torch.Tensor, trunk: Row, layers: int
) -> torch.Tensor:
    """What the first ``layers`` decoder layers put out on videos [v, tokens, width] without a question: [v, n, width].

    ``trunk`` is `Packer.trunk`. What follows the videos cannot change it, and needs not be computed.
    """
    text, count = model.model.language_model, len(videos)
    ids, positions = (torch.from_numpy(part) for part in (trunk.ids, trunk.positions))
    hidden = text.embed_tokens(ids).expand(count, -1, -1)
    shown = (ids == model.config.video_token_id)[None, :, None].expand_as(hidden)
    hidden = hidden.masked_scatter(shown, videos)
    rotary = text.rotary_emb(hidden, positions[:, None].expand(-1, count, -1))
    for layer in text.layers[:layers]:
        out = layer(hidden, attention_mask=None, position_embeddings=rotary, use_cache=False)
        hidden = out if isinstance(out, torch.Tensor) else out[0]
    return hidden


@contextmanager
def outputs_of(model: Qwen2VLForConditionalGeneration, layers: Iterable[int]) -> Iterator[dict[int, torch.Tensor]]:
    """What these decoder layers (from 0) put out in the forward passes inside, [batch, n, width]."""
    found: dict[int, torch.Tensor] = {}

    def keep(layer: int, out: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        found[layer] = out if isinstance(out, torch.Tensor) else out[0]

    blocks = model.model.language_model.layers
    hooks = [
        blocks[layer].register_forward_hook(lambda _module, _args, out, layer=layer: keep(layer, out))
        for layer in layers
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


class CellReader(nn.Module):
    """Training aid, thrown away afterwards: reads from each image token what stands in its cell."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 16, outputs]."""
        return self.linear(images)
