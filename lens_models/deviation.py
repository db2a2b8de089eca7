"""How far two ways to compute the same logits are apart, and how far they may be."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["logit_deviation", "logit_tolerance"]

_FP32_TOLERANCE = 1e-4


def logit_deviation(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference of two sets of logits `[..., V]` as a share of the range of `theirs`; infinite for a NaN.

    Tokens that the model can never say, whose logits are the lowest number there is, are left out.
    """
    theirs, ours = theirs.float(), ours.to(theirs.device).float()
    said = theirs > torch.finfo(torch.float32).min / 2
    spread = theirs.amax(-1) - theirs.masked_fill(~said, torch.inf).amin(-1)
    share = ((ours - theirs).abs().masked_fill(~said, 0.0).amax(-1) / spread.clamp_min(1e-6)).max()
    return float(share.nan_to_num(nan=torch.inf, posinf=torch.inf))


def logit_tolerance(dtype: torch.dtype, n_layers: int) -> float:
    """Allowed deviation of one way to compute logits from another, as a share of their range.

    The two round differently in every layer. Each layer adds an error of about the dtype's eps to the residual stream,
    independent of the others, hence the root of their number. At least 1e-4: what fp32 products of large models need.
    """
    return float(max(_FP32_TOLERANCE, torch.finfo(dtype).eps * n_layers**0.5))
