"""From the residual stream to logits with vLLM's own norm and head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lens_models.placement import alone

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
        norm: Callable[..., Any],
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
        self.alone = alone()

    def stream(self, residual: Tensor) -> Tensor:
        """`[..., parts * d]` -> `[..., d]`, fp32."""
        return residual.float().reshape(*residual.shape[:-1], self._parts, self._width).sum(-2)

    @torch.inference_mode()
    def __call__(self, residual: Tensor) -> Tensor:
        """`[..., parts * d]` -> `[..., V]`, fp32. On ranks that get no logits, zeros of that shape."""
        logits = self.of_normed(self.normed(residual.reshape(-1, residual.shape[-1])))
        return logits.reshape(*residual.shape[:-1], self.vocab_size)

    def normed(self, flat: Tensor) -> Tensor:
        """What goes into the head, `[rows, parts * d]` -> `[rows, d]` in the model's dtype."""
        rows = flat.to(self.device).reshape(-1, self._parts, self._width)
        # copied, because kernels of norms write into what they are given
        normed = self._norm(*(rows[:, part].contiguous().clone() for part in range(self._parts)))
        found: Tensor = normed[0] if isinstance(normed, tuple) else normed
        return found

    @torch.inference_mode()
    def of_normed(self, normed: Tensor) -> Tensor:
        """All logits `[rows, V]`, fp32, of what goes into the head, `[rows, d]`."""
        logits = self._compute_logits(normed)
        if logits is None:
            return torch.zeros((len(normed), self.vocab_size), dtype=torch.float32, device=self.device)
        return logits[:, : self.vocab_size].float()  # type: ignore[no-any-return]

    def columns(self, normed: Tensor, ids: Tensor) -> Tensor:
        """Some of the logits, `[rows, ids]`; the head may be on several ranks, so all of them are computed."""
        return self.of_normed(normed)[:, ids.to(self.device)]
