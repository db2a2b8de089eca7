"""How far the last layer's readout is from the model's own logits, and how far it may be."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import CaptureError

__all__ = ["IdentityReport", "RowDeviations", "compare_logits", "row_deviations", "tolerance"]

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
    the readout's first choice or lies within `tolerance` of it.
    """

    deviation: float
    tolerance: float
    argmax_agrees: bool
    dtype: str
    transform: str = "none"
    rounding: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether the readout may be used."""
        return self.argmax_agrees and self.deviation <= self.tolerance and self.rounding <= 1.0


@dataclass(frozen=True)
class RowDeviations:
    """What `IdentityReport` says of each row `[rows]`, still on its device: nothing waits for it.

    Attributes:
        share: Largest |Δ| over the logit range; infinite where a logit is NaN or infinite.
        allowed: What of it is allowed.
        behind: How far the readout's logit of the model's first choice is below its own first choice, over the range.
        rounding: Root mean square of Δ over that of the logits, in units of the dtype's eps.
        dtype: Of the model's head.
    """

    share: Tensor
    allowed: Tensor
    behind: Tensor
    rounding: Tensor
    dtype: torch.dtype

    def of(self, rows: Tensor | None = None) -> IdentityReport:
        """The report on some rows, by their numbers, or on all."""
        share, allowed, behind, rounding = (
            each if rows is None else each[rows.to(each.device)]
            for each in (self.share, self.allowed, self.behind, self.rounding)
        )
        worst = int((share / allowed).argmax())
        return IdentityReport(
            deviation=float(share[worst]),
            tolerance=float(allowed[worst]),
            argmax_agrees=bool((behind <= allowed).all()),
            dtype=str(self.dtype).removeprefix("torch."),
            rounding=float(rounding.max()) if torch.finfo(self.dtype).bits == 16 else 0.0,
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
    """Compare the readout's last-layer logits `[rows, V]` with the model's `[rows, V]`, see `row_deviations`."""
    return row_deviations(readout, model, dtype=dtype, masked=masked).of()


def row_deviations(
    readout: Tensor, model: Tensor, *, dtype: torch.dtype | None = None, masked: tuple[int, ...] = ()
) -> RowDeviations:
    """Hold the readout's last-layer logits `[rows, V]` against the model's `[rows, V]`, row by row.

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
    rounding = delta.square().mean(-1).sqrt() / theirs.square().mean(-1).sqrt() / torch.finfo(dtype).eps
    return RowDeviations(share, allowed, behind, rounding, dtype)


def _spread(logits: Tensor) -> Tensor:
    return (logits.amax(-1) - logits.amin(-1)).clamp_min(1e-6)


def _without(logits: Tensor, masked: tuple[int, ...]) -> Tensor:
    return logits.index_select(-1, _kept_columns(logits.shape[-1], masked, logits.device))


@functools.lru_cache(maxsize=8)
def _kept_columns(size: int, masked: tuple[int, ...], device: torch.device) -> Tensor:
    """Numbers of the columns that stay; a mask in their place would have to be counted on the host in each call."""
    return torch.tensor(sorted(set(range(size)).difference(masked)), device=device)
