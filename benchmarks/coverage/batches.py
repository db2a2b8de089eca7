"""From one tiny prompt to a padded batch of three, and to a prompt with two images."""

from __future__ import annotations

import torch
from torch import Tensor

from .shrink import IMAGE

__all__ = ["padded_batches", "with_two_images"]

Inputs = dict[str, Tensor]
_TEXT_TOKENS = (19, 29, 37, 53)
# inputs of a row for each token of the prompt, beside those of the prompt's own shape
_BY_TOKEN = ("cross_attention_mask", "image_attention_mask", "bbox")
_BY_IMAGE = ("cross_attention_mask", "image_attention_mask")
_DECODER = ("decoder_input_ids", "qformer_input_ids")


def padded_batches(inputs: Inputs) -> list[Inputs]:
    """The prompt three times with none, two and four more tokens of text, left-padded; every row has its own image.

    In the ways in which models take the images of several rows: one after the other, or as one strip.
    """
    rows = [_longer(inputs, n) for n in (0, 2, 4)]
    by_token = {
        name: _padded([row[name] for row in rows]) for name, value in inputs.items() if _by_token(name, value, inputs)
    }
    return [
        {name: by_token[name] if name in by_token else _joined(value, 3, dim) for name, value in inputs.items()}
        for dim in (0, -1)
    ]


def _longer(inputs: Inputs, n: int) -> Inputs:
    return {
        name: _lengthened(name, value, n) if _by_token(name, value, inputs) else value for name, value in inputs.items()
    }


def _lengthened(name: str, value: Tensor, n: int) -> Tensor:
    if name == "input_ids":
        return torch.cat([value, torch.tensor([_TEXT_TOKENS[:n]], dtype=value.dtype)], dim=1)
    return torch.cat([value, value[:, -1:].expand(-1, n, *value.shape[2:])], dim=1)


def _by_token(name: str, value: Tensor, inputs: Inputs) -> bool:
    ids = inputs.get("input_ids")
    if ids is None or name in _DECODER:
        return False
    return value.shape == ids.shape or (name in _BY_TOKEN and value.shape[:2] == ids.shape)


def _padded(rows: list[Tensor]) -> Tensor:
    longest = max(row.shape[1] for row in rows)
    return torch.cat([
        torch.cat([row.new_zeros(1, longest - row.shape[1], *row.shape[2:]), row], dim=1) for row in rows
    ])  # fmt: skip


def with_two_images(inputs: Inputs) -> list[Inputs]:
    """The prompt with a second image after the first and a token of text between, in the ways models take several."""
    ids = inputs.get("input_ids")
    if ids is None or not bool((ids == IMAGE).any()):
        return []
    places = (ids[0] == IMAGE).nonzero().flatten()
    after, text = int(places[-1]) + 1, ids.shape[1] - 1
    order = [*range(after), text, *places.tolist(), *range(after, ids.shape[1])]
    kept = {name: inputs[name] for name in _DECODER if name in inputs}
    wide = {name: value[:, order] for name, value in inputs.items() if _by_token(name, value, inputs)}
    wide |= {name: torch.cat([wide[name]] * 2, dim=2) for name in _BY_IMAGE if name in wide}
    rest = {name: value for name, value in inputs.items() if name not in wide and name not in kept}
    return [{**wide, **kept, **{name: _joined(value, 2, dim) for name, value in rest.items()}} for dim in (0, 1, -1)]


def _joined(value: Tensor, times: int, dim: int) -> Tensor:
    """Pictures side by side, each a little other than the one before; what only describes them is joined along rows."""
    if not value.is_floating_point():
        return torch.cat([value] * times, dim=dim if value.dim() > 2 and dim > 0 else 0)
    return torch.cat([value + 0.1 * place for place in range(times)], dim=min(dim, value.dim() - 1))
