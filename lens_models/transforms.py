"""What a model does to the output of its head: found by watching it, not by reading its configuration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from .errors import IdentityError
from .head_positions import last_positions_alone
from .parts import ModelParts

__all__ = ["LogitTransform", "configured_numbers", "measured_scale", "observe_transform"]

_RAMP = 60.0
_BISECTIONS = 60
_HINTS = (
    "final_logit_softcapping",
    "logits_soft_cap",
    "logit_scale",
    "lm_head_multiplier",
    "output_multiplier_scale",
    "logits_scaling",
    "logits_mup_width_multiplier",
    "output_multiplier",
)


@dataclass(frozen=True)
class LogitTransform:
    """What a model does to the output of its head: times `scale`, then a soft cap `c * tanh(z / c)`, then a mask.

    `scale` includes a factor on the head's input, which for a head without bias is the same. `masked` are token ids
    that the model can never say (Chameleon's image tokens); their logits become the lowest number of fp32. `size` is
    the number of logits that the model keeps where its head is padded to a larger vocabulary.
    """

    scale: float = 1.0
    softcap: float | None = None
    masked: tuple[int, ...] = field(default=(), repr=False)
    size: int | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        """Apply to fp32 logits `[..., V]`, in place; a view of the first `size` when the head is padded.

        Logits with gradients keep what the way back through the cap needs.
        """
        logits = logits if self.size is None else logits[..., : self.size]
        if self.scale != 1.0:
            logits.mul_(self.scale)
        if self.softcap is not None:
            capped = logits.div_(self.softcap).tanh_()
            logits = capped * self.softcap if capped.requires_grad else capped.mul_(self.softcap)
        if self.masked:
            logits[..., list(self.masked)] = torch.finfo(torch.float32).min
        return logits

    def __str__(self) -> str:
        steps = [] if self.scale == 1.0 else [f"scale({self.scale:g})"]
        steps += [] if self.softcap is None else [f"softcap({self.softcap:g})"]
        steps += [f"{len(self.masked)} masked"] if self.masked else []
        steps += [] if self.size is None else [f"first {self.size}"]
        return " + ".join(steps) or "none"


@torch.no_grad()
def observe_transform(model: nn.Module, parts: ModelParts, inputs: Mapping[str, Any]) -> LogitTransform:
    """Run the model once with a known ramp in place of its head's output, and see what comes out as logits.

    Wrapper classes often ignore what the text configuration says about caps and scales, so the class's code is asked.
    A ramp over [-60, 60] makes a cap visible that the logits of one real input might be too small to show.

    Raises:
        IdentityError: the logits are not a factor, soft cap, mask or first part of the head's output.
    """
    seen: dict[str, Tensor] = {}

    def replace_output(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        row = torch.linspace(-_RAMP, _RAMP, output.shape[-1], device=output.device).to(output.dtype)
        seen["ramp"] = row
        return row.expand_as(output).clone()

    handle = parts.head.register_forward_hook(replace_output)
    try:
        with last_positions_alone(parts.head):
            final = model(**inputs).logits
    finally:
        handle.remove()
    if "ramp" not in seen:
        raise IdentityError(f"{parts.model_class} computes logits without calling the head '{parts.head_path}'")
    ramp, final = seen["ramp"], final.reshape(-1, final.shape[-1])[-1]
    if final.shape[0] > ramp.shape[0]:
        raise IdentityError(
            f"{parts.model_class} turns {ramp.shape[0]} outputs of its head '{parts.head_path}' into {final.shape[0]} "
            "logits, so the head is not the whole way from the last layer to the vocabulary"
        )
    return _explain(ramp.cpu(), final.cpu(), parts, getattr(model, "config", None))


def _explain(ramp: Tensor, final: Tensor, parts: ModelParts, config: object) -> LogitTransform:
    size = final.shape[0] if final.shape[0] < ramp.shape[0] else None
    ramp = ramp[: final.shape[0]]
    masked = final <= torch.finfo(final.dtype).min / 2
    eps = torch.finfo(ramp.dtype).eps
    x, y = ramp[~masked].float(), final[~masked].float()
    for found in _candidates(x, y, configured_numbers(config)):
        # a factor rounds once in the model's dtype, a cap twice; without either the numbers are the same
        roundings = (found.scale != 1.0) + 2 * (found.softcap is not None)
        allowed = max(roundings * eps, 1e-5) * y.abs().clamp_min(1e-2) if roundings else 0.0
        if bool(((found(x.clone()) - y).abs() <= allowed).all()):
            return replace(found, masked=tuple(masked.nonzero().flatten().tolist()), size=size)
    raise IdentityError(
        f"{parts.model_class} does something to the output of its head '{parts.head_path}' that is neither a soft cap "
        f"nor a factor: {_points(x)} became {_points(y)}. The lens does not read such a model; lens=False runs it."
    )


def _candidates(x: Tensor, y: Tensor, configured: tuple[float, ...]) -> Iterator[LogitTransform]:
    """The plain one, then configured values, which are exact, then measured ones, which carry rounding."""
    yield LogitTransform()
    for value in (*configured, measured_scale(x, y)):
        yield LogitTransform(value)
    for value in configured:
        yield LogitTransform(softcap=value)
    for value in configured:
        for factor in configured:
            yield LogitTransform(factor, value)
    scale, cap = _scale_and_cap(x, y)
    yield LogitTransform(softcap=cap)
    yield LogitTransform(scale, cap)


def configured_numbers(config: object) -> tuple[float, ...]:
    """Numbers in the configurations that are named like a cap or a factor, and their inverses."""
    get_text = getattr(config, "get_text_config", None)
    found: list[float] = []
    for entry in (config, get_text(decoder=True) if callable(get_text) else None):
        for name in _HINTS:
            value = getattr(entry, name, None)
            if isinstance(value, int | float) and value > 0:
                found += [float(value), 1.0 / value]
    return tuple(dict.fromkeys(found))


def measured_scale(x: Tensor, y: Tensor) -> float:
    """The factor k that is best in y = k * x."""
    return float((x.double() @ y.double()) / (x.double() @ x.double()).clamp_min(1e-30))


def _scale_and_cap(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Factor s and cap c of y = c * tanh(s * x / c), from the ramp's end and a point at a sixth of it."""
    far, near = -1, int((x - x[-1] / 6).abs().argmin())
    low, high = float(y[far]) * (1 + 1e-9), 1e4

    def slope(cap: float, at: int) -> float:
        return cap * math.atanh(min(float(y[at]) / cap, 1 - 1e-15)) / float(x[at])

    # too small a cap makes the end look steep, too large a one makes it look flat
    for _ in range(_BISECTIONS):
        cap = (low + high) / 2
        low, high = (cap, high) if slope(cap, far) > slope(cap, near) else (low, cap)
    return slope(high, near), high


def _points(values: Tensor) -> str:
    picked = values[:: max(1, len(values) // 4)]
    return "[" + ", ".join(f"{value:.4g}" for value in picked.tolist()) + "]"
