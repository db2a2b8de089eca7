"""The identity gate: the readout of the last layer must be the model's own logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from .capture import ResidualCapture
from .chain import check_chain
from .errors import CaptureError, IdentityError
from .parts import ModelParts
from .transforms import LogitTransform, configured_numbers, measured_scale, observe_transform
from .unembed import Unembedding

__all__ = ["IdentityReport", "compare_logits", "prove_identity", "tolerance"]

_FP32_TOLERANCE = 1e-4
# a 16-bit product rounds its result once and may round partial sums; four half-units cover both
_HALF_UNITS = 4


@dataclass(frozen=True)
class IdentityReport:
    """How far the last layer's readout is from the model's logits.

    `deviation` is the largest |Δ| as a share of the logit range (max - min of the model's row), `tolerance` what is
    allowed; of several rows the pair of the worst one. `rounding` is the root mean square of Δ over that of the logits
    in units of the dtype's eps, 0 for fp32: rounding alone gives about 0.2, and a wrong part that hides below the
    largest deviation allowed gives more than 1. `argmax_agrees` is True when, in every row, the model's first choice is
    the readout's first choice or lies within `tolerance` of it. `n_checked` counts rows.
    """

    deviation: float
    tolerance: float
    argmax_agrees: bool
    n_checked: int
    dtype: str
    transform: str = "none"
    rounding: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether the readout may be used."""
        return self.argmax_agrees and self.deviation <= self.tolerance and self.rounding <= 1.0

    def worst(self, other: IdentityReport) -> IdentityReport:
        """Both checks together: exact only when both are."""
        worse = max(self, other, key=lambda report: report.deviation / report.tolerance)
        return replace(
            worse,
            rounding=max(self.rounding, other.rounding),
            argmax_agrees=self.argmax_agrees and other.argmax_agrees,
            n_checked=self.n_checked + other.n_checked,
        )


def tolerance(logits: Tensor, dtype: torch.dtype) -> Tensor:
    """Allowed deviation of each row `[..., V]` as a share of its range, for logits computed in `dtype`.

    fp32: 1e-4. 16 bits: a few units of rounding at the largest magnitude, |z|max * eps * 2 over the range.
    """
    if dtype in (torch.float32, torch.float64):
        return torch.full(logits.shape[:-1], _FP32_TOLERANCE, device=logits.device, dtype=torch.float64)
    unit = torch.finfo(dtype).eps / 2 * _HALF_UNITS
    return logits.float().abs().amax(-1) * unit / _spread(logits.float())


def compare_logits(
    readout: Tensor, model: Tensor, *, dtype: torch.dtype | None = None, masked: tuple[int, ...] = ()
) -> IdentityReport:
    """Compare the readout's last-layer logits `[rows, V]` with the model's `[rows, V]`.

    A NaN or infinite logit on either side counts as an infinite deviation.

    Args:
        readout: fp32.
        model: fp32 or 16 bits.
        dtype: what the model's head computed in, when it widened its logits afterwards.
        masked: tokens that the model never says; their logits are no measure of anything.
    """
    if readout.shape != model.shape:
        raise CaptureError(f"readout of shape {tuple(readout.shape)} against logits of shape {tuple(model.shape)}")
    dtype = dtype or model.dtype
    ours, theirs = readout.float(), model.to(readout.device).float()
    if masked:
        ours, theirs = _without(ours, masked), _without(theirs, masked)
    spread, allowed, delta = _spread(theirs), tolerance(theirs, dtype), (ours - theirs).abs()
    share = (delta.amax(-1) / spread).nan_to_num(nan=float("inf"), posinf=float("inf"))
    choice = theirs.argmax(-1, keepdim=True)
    behind = (ours.amax(-1) - ours.gather(-1, choice).squeeze(-1)) / spread
    worst = int((share / allowed).argmax())
    rounding = delta.square().mean(-1).sqrt() / theirs.square().mean(-1).sqrt() / torch.finfo(dtype).eps
    return IdentityReport(
        deviation=float(share[worst]),
        tolerance=float(allowed[worst]),
        argmax_agrees=bool((behind <= allowed).all()),
        n_checked=int(ours.shape[0]),
        dtype=str(dtype).removeprefix("torch."),
        rounding=float(rounding.max()) if torch.finfo(dtype).bits == 16 else 0.0,
    )


def _spread(logits: Tensor) -> Tensor:
    return (logits.amax(-1) - logits.amin(-1)).clamp_min(1e-6)


def _without(logits: Tensor, masked: tuple[int, ...]) -> Tensor:
    keep = torch.ones(logits.shape[-1], dtype=torch.bool, device=logits.device)
    keep[list(masked)] = False
    return logits[..., keep]


@torch.no_grad()
def prove_identity(
    model: nn.Module, parts: ModelParts, inputs: Mapping[str, Any]
) -> tuple[Unembedding, IdentityReport]:
    """Run the model on a real input and prove the readout, or refuse the model.

    Two runs: one with a known ramp in place of the head's output, which shows what the class does to its logits, and
    one as it is, in which the layers must follow one another and the last one's readout must be the model's logits.

    Args:
        model: the model in eval mode.
        parts: what `find_parts` found.
        inputs: a batch as the processor made it, with an image; a row of left-padded tokens is read at its last one.

    Raises:
        IdentityError: the model's own logits do not come out. Names the class, the parts, the deviation.
        CaptureError: the layers found are not a chain, or the head is not called once a forward pass.
    """
    seen: dict[str, Tensor] = {}
    handle = parts.head.register_forward_pre_hook(lambda head, args: seen.update({"head input": args[0][:, -1]}))
    try:
        with ResidualCapture(parts) as trace, check_chain(parts):
            output = model(**inputs)
    finally:
        handle.remove()
    if trace.n_steps != 1 or trace.first_logits is None:
        raise CaptureError(f"one forward pass of {parts.model_class} called its head {trace.n_steps} times")
    logits = output.logits[:, -1]
    if not torch.isfinite(trace.first_logits).all():
        raise IdentityError(
            f"{parts.model_class} gave NaN or infinite logits on the probe input in {logits.dtype}; nothing can be "
            "read. Load the model in its checkpoint's dtype (dtype=auto) or in float32."
        )
    residual = trace.steps[0][-1]
    transform = _with_head_scale(parts, observe_transform(model, parts, inputs), residual, seen["head input"], model)
    unembed = Unembedding(parts, transform=transform)
    readout = unembed(residual)
    report = compare_logits(readout, logits, dtype=trace.first_logits.dtype, masked=transform.masked)
    report = replace(report, transform=str(transform))
    if not report.exact:
        raise IdentityError(_refusal(parts, report, transform))
    _require_independent_rows(unembed, trace.steps[0], readout, trace.first_logits.dtype)
    return unembed, report


def _require_independent_rows(unembed: Unembedding, residual: Tensor, alone: Tensor, dtype: torch.dtype) -> None:
    """Refuse a head that gives the last layer `[rows, V]` other logits when all layers `[layers, rows, d]` are read.

    A head that quantises its input by a scale of the whole batch does; the product of all layers would be another one
    than the model's.
    """
    together = unembed(residual)[-1]
    report = compare_logits(together, alone.to(dtype), masked=unembed.transform.masked)
    if not report.exact:
        parts = unembed.parts
        raise IdentityError(
            f"the head of {parts.model_class}, '{parts.head_path}' ({type(parts.head).__name__}) gives a vector other "
            f"logits when other vectors stand beside it: off by {report.deviation:.2e} of the logit range (allowed "
            f"{report.tolerance:.2e}). Its layers cannot be read at once; leave the head out of the quantisation "
            "(llm_int8_skip_modules, modules_to_not_convert), or run without the lens: lens=False."
        )


def _with_head_scale(
    parts: ModelParts, transform: LogitTransform, residual: Tensor, head_input: Tensor, model: nn.Module
) -> LogitTransform:
    """The transform with the factor that the model puts on its head's input (T5, Inkling), if it does."""
    x, y = Unembedding(parts).normed(residual).float(), head_input.to(residual.device).float()
    if getattr(parts.head, "bias", None) is not None or x.shape != y.shape or torch.allclose(x, y, rtol=1e-5):
        return transform
    eps = 2 * torch.finfo(head_input.dtype).eps
    for factor in (*configured_numbers(model.config), measured_scale(x.flatten(), y.flatten())):
        if torch.allclose(factor * x, y, rtol=max(eps, 1e-5), atol=1e-5 * float(y.abs().max())):
            return replace(transform, scale=transform.scale * factor)
    return transform


def _refusal(parts: ModelParts, report: IdentityReport, transform: LogitTransform) -> str:
    sixteen = f", rounding {report.rounding:.1f} (allowed 1.0)" if report.rounding else ""
    return (
        f"the lens does not read {parts.model_class} exactly, so it is refused. Found: {parts.describe()}, transform "
        f"{transform}. The last layer's readout is off by {report.deviation:.2e} of the logit range (allowed "
        f"{report.tolerance:.2e}, {report.dtype}{sixteen}), first choice "
        f"{'agrees' if report.argmax_agrees else 'differs'}. Try dtype=float32 to rule out rounding; if it stays, the "
        "parts found are not the ones the model uses: docs/adding-a-model.md shows how to name them. lens=False runs "
        "the model without the lens."
    )
