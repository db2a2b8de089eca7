"""The identity gate: the readout of the last layer must be the model's own logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from .capture import ResidualCapture
from .errors import CaptureError, IdentityError
from .parts import ModelParts
from .unembed import LogitTransform, Unembedding, transform_candidates

__all__ = ["IdentityReport", "compare_logits", "prove_identity", "tolerance"]

_FP32_TOLERANCE = 1e-4
# a 16-bit product rounds its result once and may round partial sums; four half-units cover both
_HALF_UNITS = 4


@dataclass(frozen=True)
class IdentityReport:
    """How far the last layer's readout is from the model's logits.

    `deviation` is the largest |Δ| as a share of the logit range (max - min of the model's row), the worst of all rows.
    `argmax_agrees` is True when, in every row, the model's first choice is the readout's first choice or lies within
    `tolerance` of it. `n_checked` counts rows.
    """

    deviation: float
    tolerance: float
    argmax_agrees: bool
    n_checked: int
    dtype: str
    transform: str = "none"

    @property
    def exact(self) -> bool:
        """Whether the readout may be used."""
        return self.argmax_agrees and self.deviation <= self.tolerance

    def worst(self, other: IdentityReport) -> IdentityReport:
        """Both checks together."""
        return replace(
            self,
            deviation=max(self.deviation, other.deviation),
            tolerance=max(self.tolerance, other.tolerance),
            argmax_agrees=self.argmax_agrees and other.argmax_agrees,
            n_checked=self.n_checked + other.n_checked,
        )


def tolerance(logits: Tensor) -> float:
    """Allowed deviation as a share of the logit range, from the dtype of the model's logits `[..., V]`.

    fp32: 1e-4. 16 bits: a few units of rounding at the largest magnitude, |z|max * eps * 2 over the range.
    """
    if logits.dtype == torch.float32 or logits.dtype == torch.float64:
        return _FP32_TOLERANCE
    wide = logits.float()
    spread = (wide.amax(-1) - wide.amin(-1)).clamp_min(1e-6)
    unit = torch.finfo(logits.dtype).eps / 2 * _HALF_UNITS
    return float((wide.abs().amax(-1) * unit / spread).max())


def compare_logits(readout: Tensor, model: Tensor, *, allowed: float | None = None) -> IdentityReport:
    """Compare the readout's last-layer logits `[rows, V]` with the model's `[rows, V]` (fp32 or 16 bits).

    A NaN or infinite logit on either side counts as an infinite deviation.
    """
    allowed = tolerance(model) if allowed is None else allowed
    ours, theirs = readout.float(), model.to(readout.device).float()
    if ours.shape != theirs.shape:
        raise CaptureError(f"readout of shape {tuple(ours.shape)} against logits of shape {tuple(theirs.shape)}")
    spread = (theirs.amax(-1) - theirs.amin(-1)).clamp_min(1e-6)
    share = ((ours - theirs).abs().amax(-1) / spread).nan_to_num(nan=float("inf"))
    choice = theirs.argmax(-1, keepdim=True)
    behind = (ours.amax(-1) - ours.gather(-1, choice).squeeze(-1)) / spread
    return IdentityReport(
        deviation=float(share.max()),
        tolerance=allowed,
        argmax_agrees=bool((behind <= allowed).all()),
        n_checked=int(ours.shape[0]),
        dtype=str(model.dtype).removeprefix("torch."),
    )


@torch.inference_mode()
def prove_identity(
    model: nn.Module, parts: ModelParts, inputs: Mapping[str, Any]
) -> tuple[Unembedding, IdentityReport]:
    """Run the model once on a real input and prove the readout, or refuse the model.

    Every transform that the configuration hints at is tried against the model's logits, the plain one first; the
    class's code, not its configuration, decides.

    Args:
        model: the model in eval mode.
        parts: what `find_parts` found.
        inputs: a batch as the processor made it, with an image; a row of left-padded tokens is read at its last one.

    Raises:
        IdentityError: no transform gives the model's own logits. Names the class, the parts, the deviation.
    """
    with ResidualCapture(parts) as trace:
        output = model(**inputs)
    logits = output.logits[:, -1]
    if trace.n_steps != 1:
        raise CaptureError(f"one forward pass of {parts.model_class} called its head {trace.n_steps} times")
    if not torch.isfinite(logits).all():
        raise IdentityError(
            f"{parts.model_class} gave NaN or infinite logits on the probe input in {logits.dtype}; nothing can be "
            "read. Load the model in its checkpoint's dtype (dtype=auto) or in float32."
        )
    residual = trace.steps[0][-1]
    reports: list[tuple[IdentityReport, LogitTransform]] = []
    for transform in transform_candidates(model.config):
        unembed = Unembedding(parts, transform=transform)
        report = replace(compare_logits(unembed(residual), logits), transform=str(transform))
        if report.exact:
            return unembed, report
        reports.append((report, transform))
    raise IdentityError(_refusal(parts, reports))


def _refusal(parts: ModelParts, reports: list[tuple[IdentityReport, LogitTransform]]) -> str:
    best, transform = min(reports, key=lambda pair: pair[0].deviation)
    tried = ", ".join(str(each) for _, each in reports)
    return (
        f"the lens does not read {parts.model_class} exactly, so it is refused. Found: {parts.describe()}. The last "
        f"layer's readout is off by {best.deviation:.2e} of the logit range (allowed {best.tolerance:.2e}, "
        f"{best.dtype}, closest with transform {transform}; tried {tried}), first choice "
        f"{'agrees' if best.argmax_agrees else 'differs'}. Try dtype=float32 to rule out rounding; if it stays, the "
        "parts found are not the ones the model uses: docs/adding-a-model.md shows how to name them. lens=False runs "
        "the model without the lens."
    )
