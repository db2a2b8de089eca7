"""From the residual stream to logits with vLLM's own norm and head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["WorkerUnembedding"]


class WorkerUnembedding:
    """The final norm and `compute_logits` of a model of vLLM, scale and soft cap included.

    Blocks hand on the stream in two parts, what the last one added and what came before; the norm adds them, in fp32
    where its kernel does. The parts are kept apart until then: in 16 bits their sum is not what the norm sees.

    Args:
        norm: the final norm.
        compute_logits: the model's own, before anybody watches it.
        parts: tensors that a block hands on: 1 or 2.
        width: of the residual stream.
        vocab_size: number of logits that are kept.
        device: of the model.
    """

    def __init__(
        self,
        norm: nn.Module,
        compute_logits: Callable[[Tensor], Any],
        *,
        parts: int,
        width: int,
        vocab_size: int,
        device: torch.device,
    ) -> None:
        self._norm, self._compute_logits = norm, compute_logits
        self._parts, self._width = parts, width
        self.vocab_size = vocab_size
        self.device = device

    def stream(self, residual: Tensor) -> Tensor:
        """`[..., parts * d]` -> `[..., d]`, fp32."""
        return residual.float().reshape(*residual.shape[:-1], self._parts, self._width).sum(-2)

    @torch.inference_mode()
    def __call__(self, residual: Tensor) -> Tensor:
        """`[..., parts * d]` -> `[..., V]`, fp32. On ranks that get no logits, zeros of that shape."""
        rows = residual.reshape(-1, self._parts, self._width)
        # copied, because kernels of norms write into what they are given
        given = [rows[:, part].contiguous().clone() for part in range(self._parts)]
        normed = self._norm(*given)
        logits = self._compute_logits(normed[0] if isinstance(normed, tuple) else normed)
        shape = (*residual.shape[:-1], self.vocab_size)
        if logits is None:
            return torch.zeros(shape, dtype=torch.float32, device=self.device)
        return logits[:, : self.vocab_size].float().reshape(shape)  # type: ignore[no-any-return]
