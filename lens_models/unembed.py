"""From residual stream to logits, as the model itself does it: final norm, output embedding, cap or scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .parts import ModelParts
from .placement import alone, compute_device
from .transforms import LogitTransform

__all__ = ["NormMode", "Unembedding", "is_plain_head"]

NormMode = Literal["final", "none"]
_SLICE_BYTES = 8 * 2**20  # of fp32: what a processor holds in its caches


@dataclass
class Tally:
    """How many residual vectors were read, `rows`."""

    rows: int = 0


class Unembedding:
    """Final norm and output embedding of a model, with logits in fp32.

    The norm runs in the model's dtype, exactly as in the model; the product with the head accumulates in fp32.
    Nothing here has gradients, and no parameter is copied as a whole.
    """

    def __init__(self, parts: ModelParts, *, norm: NormMode = "final", transform: LogitTransform | None = None) -> None:
        self.parts = parts
        self.norm_mode: NormMode = norm
        self.transform = transform or LogitTransform()
        self.tally = Tally()

    def without_norm(self) -> Unembedding:
        """The same without the final norm; what it reads is counted with what this one does."""
        other = Unembedding(self.parts, norm="none", transform=self.transform)
        other.tally = self.tally
        return other

    @property
    def device(self) -> torch.device:
        """Where the logits are computed: the device of the head, or where an offloaded head runs."""
        return compute_device(self.parts.head)

    @property
    def alone(self) -> bool:
        """Whether this process computes logits by itself: it holds the whole head, or there is no other process."""
        return is_plain_head(self.parts.head) or alone()

    @property
    def vocab_size(self) -> int:
        """Number of logits V that the model keeps."""
        return self.transform.size or self.parts.vocab_size

    def stream(self, residual: Tensor) -> Tensor:
        """The residual stream itself, of what `__call__` takes."""
        return residual

    @torch.no_grad()
    def __call__(self, residual: Tensor) -> Tensor:
        """Logits of residual vectors.

        Args:
            residual: `[..., d]`, any float dtype, any device; the residual stream before the final norm.

        Returns:
            `[..., vocabulary]`, fp32, on the head's device, after cap or scale: comparable with the model's logits.
        """
        flat = residual.reshape(-1, residual.shape[-1])
        hidden = self.normed(flat)
        return self.of_normed(hidden).reshape(*residual.shape[:-1], -1)

    def differentiable(self, residual: Tensor) -> Tensor:
        """The same logits with gradients by the residual, `[rows, d]` -> `[rows, vocabulary]`, for what is learnt.

        The product with a 16-bit head rounds as in the model, not as in `__call__`.
        """
        hidden = self.normed(residual)
        head = self.parts.head
        # the transform works in place, and the head's output may be kept for the way back
        return self.transform(head(hidden.to(_compute_dtype(head, hidden))).float().clone())

    @torch.no_grad()
    def columns(self, normed: Tensor, ids: Tensor) -> Tensor:
        """Some of the logits, without those of all other tokens.

        Args:
            normed: `[rows, d]`, what goes into the head.
            ids: `[M]`, int64, token ids that the model keeps.

        Returns:
            `[rows, M]`, fp32, after cap or scale.
        """
        head, transform = self.parts.head, self.transform
        ids = ids.to(normed.device)
        if not is_plain_head(head):
            return transform(_head_product(head, normed))[:, ids]
        weight: Tensor = head.weight  # type: ignore[assignment]
        bias: Tensor | None = head.bias  # type: ignore[assignment]
        rows = weight[ids].float()
        logits = torch.nn.functional.linear(
            normed.to(weight.dtype).float(), rows, None if bias is None else bias[ids].float()
        )
        logits = replace(transform, masked=(), size=None)(logits)
        if transform.masked:
            never = torch.isin(ids, torch.tensor(transform.masked, device=ids.device))
            logits[:, never] = torch.finfo(torch.float32).min
        return logits

    @torch.no_grad()
    def of_normed(self, normed: Tensor) -> Tensor:
        """All logits `[rows, vocabulary]`, fp32, of what goes into the head, `[rows, d]`."""
        self.tally.rows += normed.shape[0]
        return self.transform(_head_product(self.parts.head, normed))

    def normed(self, flat: Tensor) -> Tensor:
        """What goes into the head, `[rows, d]` -> `[rows, d]` in the model's dtype."""
        norm = self.parts.norm
        if norm is None or self.norm_mode == "none":
            return flat.to(self.device)
        inputs = flat.to(compute_device(norm, flat.device))
        # some norms look at the sequence axis, so give them the shape [batch, sequence, d]
        return norm(inputs.unsqueeze(0)).squeeze(0).to(self.device)  # type: ignore[no-any-return]


def is_plain_head(head: nn.Module) -> bool:
    """Whether the head is an ordinary weight in memory: not quantised, sharded, adapted or offloaded."""
    weight: Any = getattr(head, "weight", None)
    return (
        type(head) is nn.Linear
        and type(weight) in (Tensor, nn.Parameter)
        and weight.dtype.is_floating_point
        and weight.device.type != "meta"
    )


def _head_product(head: nn.Module, hidden: Tensor) -> Tensor:
    """`hidden @ W.T (+ bias)` with fp32 accumulation and result; `[rows, d]` -> `[rows, vocabulary]`."""
    if not is_plain_head(head):
        return head(hidden.to(_compute_dtype(head, hidden))).float()  # type: ignore[no-any-return]
    weight: Tensor = head.weight  # type: ignore[assignment]
    bias: Tensor | None = head.bias  # type: ignore[assignment]
    logits = _product(hidden.to(weight.dtype), weight)
    return logits if bias is None else logits.add_(bias.float())


def _compute_dtype(head: nn.Module, hidden: Tensor) -> torch.dtype:
    for parameter in head.parameters():
        if parameter.dtype.is_floating_point:
            return parameter.dtype
    return hidden.dtype


def _product(hidden: Tensor, weight: Tensor) -> Tensor:
    """`hidden @ W.T`; a GPU does it in one product, a processor in slices of the vocabulary.

    Of a few rows a slice takes a third less time than the whole matrix, with the matrix on the left another third less;
    16-bit weights are cast where they are still in the cache, in a fifth of the time.
    """
    if hidden.device.type != "cpu":
        if weight.dtype in (torch.float32, torch.float64):
            return torch.mm(hidden, weight.t()).float()
        try:
            return torch.mm(hidden, weight.t(), out_dtype=torch.float32)
        except (TypeError, RuntimeError, NotImplementedError):
            pass
    vocabulary, width = weight.shape
    wide = torch.float64 if weight.dtype == torch.float64 else torch.float32
    columns = hidden.to(wide).t()
    out = torch.empty(hidden.shape[0], vocabulary, dtype=torch.float32, device=hidden.device)
    step = max(1, _SLICE_BYTES // (4 * width))
    for start in range(0, vocabulary, step):
        out[:, start : start + step] = torch.mm(weight[start : start + step].to(wide), columns).t()
    return out
