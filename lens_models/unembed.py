"""From residual stream to logits, as the model itself does it: final norm, output embedding, cap or scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from .parts import ModelParts

__all__ = ["LogitTransform", "NormMode", "Unembedding", "transform_candidates"]

NormMode = Literal["final", "none"]
_CAST_CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class LogitTransform:
    """What a model does to the output of its head: nothing, a soft cap `value * tanh(z / value)`, or a factor."""

    kind: Literal["none", "softcap", "scale"] = "none"
    value: float = 1.0

    def __call__(self, logits: Tensor) -> Tensor:
        """Apply to fp32 logits of any shape, in place."""
        if self.kind == "softcap":
            return logits.div_(self.value).tanh_().mul_(self.value)
        if self.kind == "scale":
            return logits.mul_(self.value)
        return logits

    def __str__(self) -> str:
        return "none" if self.kind == "none" else f"{self.kind}({self.value:g})"


def transform_candidates(config: object) -> tuple[LogitTransform, ...]:
    """All transforms that a configuration hints at, the plain one first.

    Wrapper classes often ignore what the text configuration says, so the identity check picks among these.
    """
    get_text = getattr(config, "get_text_config", None)
    configs = [config] if not callable(get_text) else [get_text(decoder=True), config]
    found = [LogitTransform()]
    for entry in configs:
        for name, kind, invert in _HINTS:
            value = getattr(entry, name, None)
            if isinstance(value, int | float) and value not in (0, 1):
                found.append(LogitTransform(kind, 1.0 / value if invert else float(value)))
    return tuple(dict.fromkeys(found))


_HINTS: tuple[tuple[str, Literal["softcap", "scale"], bool], ...] = (
    ("final_logit_softcapping", "softcap", False),
    ("logits_soft_cap", "softcap", False),
    ("logit_scale", "scale", False),
    ("lm_head_multiplier", "scale", False),
    ("output_multiplier_scale", "scale", False),
    ("logits_scaling", "scale", True),
)


class Unembedding:
    """Final norm and output embedding of a model, with logits in fp32.

    The norm runs in the model's dtype, exactly as in the model; the product with the head accumulates in fp32.
    Nothing here has gradients, and no parameter is copied as a whole.
    """

    def __init__(self, parts: ModelParts, *, norm: NormMode = "final", transform: LogitTransform | None = None) -> None:
        self.parts = parts
        self.norm_mode: NormMode = norm
        self.transform = transform or LogitTransform()

    @property
    def device(self) -> torch.device:
        """Where the logits are computed: the device of the head."""
        return next(self.parts.head.parameters()).device

    @torch.no_grad()
    def __call__(self, residual: Tensor) -> Tensor:
        """Logits of residual vectors.

        Args:
            residual: `[..., d]`, any float dtype, any device; the residual stream before the final norm.

        Returns:
            `[..., vocabulary]`, fp32, on the head's device, after cap or scale: comparable with the model's logits.
        """
        flat = residual.reshape(-1, residual.shape[-1])
        hidden = self._normed(flat)
        logits = _head_product(self.parts.head, hidden)
        return self.transform(logits).reshape(*residual.shape[:-1], -1)

    def _normed(self, flat: Tensor) -> Tensor:
        norm = self.parts.norm
        if norm is None or self.norm_mode == "none":
            return flat.to(self.device)
        parameter = next(norm.parameters(), None)
        # some norms look at the sequence axis, so give them the shape [batch, sequence, d]
        inputs = flat.unsqueeze(0) if parameter is None else flat.to(parameter.device).unsqueeze(0)
        return norm(inputs).squeeze(0).to(self.device)  # type: ignore[no-any-return]


def _head_product(head: nn.Module, hidden: Tensor) -> Tensor:
    """`hidden @ W.T (+ bias)` with fp32 accumulation and result; `[rows, d]` -> `[rows, vocabulary]`."""
    weight = getattr(head, "weight", None)
    if type(head) is not nn.Linear or not isinstance(weight, Tensor) or not weight.dtype.is_floating_point:
        return head(hidden.to(_compute_dtype(head, hidden))).float()  # type: ignore[no-any-return]
    hidden = hidden.to(weight.dtype)
    if weight.dtype == torch.float32:
        return torch.nn.functional.linear(hidden, weight, head.bias)
    logits = _mixed_product(hidden, weight)
    return logits if head.bias is None else logits.add_(head.bias.float())


def _compute_dtype(head: nn.Module, hidden: Tensor) -> torch.dtype:
    for parameter in head.parameters():
        if parameter.dtype.is_floating_point:
            return parameter.dtype
    return hidden.dtype


def _mixed_product(hidden: Tensor, weight: Tensor) -> Tensor:
    """16-bit operands, fp32 result. The GPU does it in one product; elsewhere the weight is cast in slices."""
    if hidden.is_cuda:
        try:
            return torch.mm(hidden, weight.t(), out_dtype=torch.float32)
        except (TypeError, RuntimeError, NotImplementedError):
            pass
    rows, vocabulary = hidden.shape[0], weight.shape[0]
    wide = hidden.float()
    out = torch.empty(rows, vocabulary, dtype=torch.float32, device=hidden.device)
    step = max(1, _CAST_CHUNK_BYTES // (4 * weight.shape[1]))
    for start in range(0, vocabulary, step):
        torch.mm(wide, weight[start : start + step].float().t(), out=out[:, start : start + step])
    return out
