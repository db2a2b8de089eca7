"""Attention weights of the last position of a call, computed anew from its queries and keys."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .observing import AttentionCall

__all__ = ["UnreadableMaskError", "allowed_and_bias", "last_weights"]


class UnreadableMaskError(ValueError):
    """The mask of an attention call is of a form that is not known."""


def last_weights(call: AttentionCall) -> Tensor:
    """Attention of the last position to the whole context, `[rows, heads, context]`, fp32.

    softmax(c tanh(q k / c) + bias) over the positions that the mask allows, with q k scaled as the call says, and with
    the cap c where there is one (Gemma 2). A learnt sink (gpt-oss) takes its share: such rows add up to less than 1.
    What an intervention changes of the scores of the position (`AttentionCall.changes`) is changed here too.

    Raises:
        UnreadableMaskError: the mask has a form that is not known.
    """
    query, key = call.query[:, :, -1].float(), call.key.float()
    rows, heads, width = query.shape
    grouped = query.reshape(rows, key.shape[1], heads // key.shape[1], width)
    scaling = call.settings.get("scaling")
    scores = torch.einsum("rgqd,rgtd->rgqt", grouped, key).reshape(rows, heads, -1)
    scores = scores * (width**-0.5 if scaling is None else scaling)
    softcap = call.settings.get("softcap")
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    for change in call.changes:
        if 0 in change.backs(call):
            scores = change.scores(call, scores)
    allowed, bias = allowed_and_bias(call)
    if bias is not None:
        scores = scores + bias
    if allowed is not None:
        scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
    sinks = call.settings.get("s_aux", getattr(call.module, "sinks", None))
    if isinstance(sinks, Tensor):
        column = sinks.float().reshape(1, -1, 1).expand(rows, -1, 1)
        return torch.softmax(torch.cat([scores, column], dim=-1), dim=-1)[..., :-1]
    return torch.softmax(scores, dim=-1)


def allowed_and_bias(call: AttentionCall) -> tuple[Tensor | None, Tensor | None]:
    """Which positions the last one may attend to (`[rows or 1, heads or 1, context]`, bool; None for all) and what is
    added to its scores (the same shape, fp32; None for nothing)."""
    context = call.key.shape[2]
    bias = call.settings.get("position_bias")
    added = None if bias is None else bias[..., -1, -context:].float()
    allowed = _window(call, context)
    mask = call.mask
    if mask is None:
        return allowed, added
    if hasattr(mask, "mask_mod"):  # flex attention
        return _both(allowed, _of_function(mask.mask_mod, call, context)), added
    if not isinstance(mask, Tensor):
        raise UnreadableMaskError(f"an attention mask {type(mask).__name__}; expected a tensor or a block mask")
    if mask.dim() == 2:  # flash attention: which positions are no padding
        return _both(allowed, mask[:, None, -context:].bool()), added
    if mask.dim() != 4:
        raise UnreadableMaskError(f"an attention mask of shape {tuple(mask.shape)}; expected [rows, heads, q, context]")
    row = mask[:, :, -1, :context]
    if mask.dtype == torch.bool:
        return _both(allowed, row), added
    row = row.float()
    return allowed, row if added is None else row + added


def _window(call: AttentionCall, context: int) -> Tensor | None:
    """Flash attention is told the width of a sliding window; other implementations have it in their masks."""
    window = call.settings.get("sliding_window")
    if window is None or (isinstance(call.mask, Tensor) and call.mask.dim() == 4) or hasattr(call.mask, "mask_mod"):
        return None
    places = torch.arange(context, device=call.key.device)
    return (places > context - 1 - int(window))[None, None]


def _of_function(function: Any, call: AttentionCall, context: int) -> Tensor:
    """A block mask's function at the last position of every row."""
    device = call.key.device
    rows = torch.arange(call.query.shape[0], device=device)[:, None]
    places = torch.arange(context, device=device)[None]
    head, last = torch.zeros((), dtype=torch.long, device=device), torch.tensor(call.query.shape[2] - 1, device=device)
    return torch.stack([function(row, head, last, places[0]) for row in rows[:, 0]])[:, None]


def _both(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first & second
