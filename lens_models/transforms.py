"""What a model does to the output of its head: found by watching it, not by reading its configuration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .errors import IdentityError
from .parts import ModelParts

__all__ = ["LogitTransform", "observe_transform"]

Kind = Literal["none", "softcap", "scale"]

_RAMP = 60.0
_BISECTIONS = 60
# how many times each rounds in the model's dtype, in units of eps
_ROUNDINGS: dict[Kind, int] = {"scale": 1, "softcap": 2}
_HINTS = (
    "final_logit_softcapping",
    "logits_soft_cap",
    "logit_scale",
    "lm_head_multiplier",
    "output_multiplier_scale",
    "logits_scaling",
)


@dataclass(frozen=True)
class LogitTransform:
    """What a model does to the output of its head: nothing, a soft cap `value * tanh(z / value)`, or a factor.

    `masked` are token ids that the model can never say (Chameleon's image tokens); their logits become the lowest
    number of fp32, as in the model.
    """

    kind: Kind = "none"
    value: float = 1.0
    masked: tuple[int, ...] = field(default=(), repr=False)

    def __call__(self, logits: Tensor) -> Tensor:
        """Apply to fp32 logits `[..., V]`, in place."""
        if self.kind == "softcap":
            logits.div_(self.value).tanh_().mul_(self.value)
        elif self.kind == "scale":
            logits.mul_(self.value)
        if self.masked:
            logits[..., list(self.masked)] = torch.finfo(torch.float32).min
        return logits

    def __str__(self) -> str:
        text = "none" if self.kind == "none" else f"{self.kind}({self.value:g})"
        return f"{text} + {len(self.masked)} masked" if self.masked else text


@torch.no_grad()
def observe_transform(model: nn.Module, parts: ModelParts, inputs: Mapping[str, Any]) -> LogitTransform:
    """Run the model once with a known ramp in place of its head's output, and see what comes out as logits.

    Wrapper classes often ignore what the text configuration says about caps and scales, so the class's code is asked.
    A ramp over [-60, 60] makes a cap visible that the logits of one real input might be too small to show.

    Raises:
        IdentityError: the logits are not a soft cap, a factor or a mask of the head's output.
    """
    seen: dict[str, Tensor] = {}

    def replace_output(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        row = torch.linspace(-_RAMP, _RAMP, output.shape[-1], device=output.device).to(output.dtype)
        seen["ramp"] = row
        return row.expand_as(output).clone()

    handle = parts.head.register_forward_hook(replace_output)
    try:
        final = model(**inputs).logits
    finally:
        handle.remove()
    if "ramp" not in seen:
        raise IdentityError(f"{parts.model_class} computes logits without calling the head '{parts.head_path}'")
    ramp, final = seen["ramp"], final.reshape(-1, final.shape[-1])[-1]
    if final.shape != ramp.shape:
        raise IdentityError(
            f"{parts.model_class} turns {ramp.shape[0]} outputs of its head '{parts.head_path}' into {final.shape[0]} "
            "logits, so the head is not the whole way from the last layer to the vocabulary"
        )
    return _explain(ramp.cpu(), final.cpu(), parts, getattr(model, "config", None))


def _explain(ramp: Tensor, final: Tensor, parts: ModelParts, config: object) -> LogitTransform:
    masked = final <= torch.finfo(final.dtype).min / 2
    eps = torch.finfo(ramp.dtype).eps
    x, y = ramp[~masked].float(), final[~masked].float()
    for found in _candidates(x, y, _hinted(config)):
        allowed = max(_ROUNDINGS[found.kind] * eps, 1e-5) * y.abs().clamp_min(1e-2) if found.kind != "none" else 0.0
        if bool(((found(x.clone()) - y).abs() <= allowed).all()):
            return replace(found, masked=tuple(masked.nonzero().flatten().tolist()))
    raise IdentityError(
        f"{parts.model_class} does something to the output of its head '{parts.head_path}' that is neither a soft cap "
        f"nor a factor: {_points(x)} became {_points(y)}. The lens does not read such a model; lens=False runs it."
    )


def _candidates(x: Tensor, y: Tensor, hinted: tuple[float, ...]) -> Iterator[LogitTransform]:
    """The plain one, then configured values, which are exact, then measured ones, which carry rounding."""
    yield LogitTransform()
    for value in (*hinted, _scale(x, y)):
        yield LogitTransform("scale", value)
    for value in (*hinted, _softcap(x, y)):
        yield LogitTransform("softcap", value)


def _hinted(config: object) -> tuple[float, ...]:
    """Numbers in the configurations that are named like a cap or a factor, and their inverses."""
    get_text = getattr(config, "get_text_config", None)
    found: list[float] = []
    for entry in (config, get_text(decoder=True) if callable(get_text) else None):
        for name in _HINTS:
            value = getattr(entry, name, None)
            if isinstance(value, int | float) and value > 0:
                found += [float(value), 1.0 / value]
    return tuple(dict.fromkeys(found))


def _scale(x: Tensor, y: Tensor) -> float:
    return float((x.double() @ y.double()) / (x.double() @ x.double()))


def _softcap(x: Tensor, y: Tensor) -> float:
    """The cap c with c * tanh(x / c) = y at the ramp's end, which rises with c."""
    end, target = float(x[-1]), float(y[-1])
    low, high = 1e-3, 1e4
    for _ in range(_BISECTIONS):
        cap = math.sqrt(low * high)
        low, high = (cap, high) if cap * math.tanh(end / cap) < target else (low, cap)
    return math.sqrt(low * high)


def _points(values: Tensor) -> str:
    picked = values[:: max(1, len(values) // 4)]
    return "[" + ", ".join(f"{value:.4g}" for value in picked.tolist()) + "]"
