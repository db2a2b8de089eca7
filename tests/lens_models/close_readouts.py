"""Two readouts of the same position, by another way of computing it."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch
from tolerances import FUNCTION, bounds
from torch import Tensor

from lens_models import Readout
from lens_models.unembed import Unembedding


def readout_bounds(logits: Tensor, *lengths: int) -> dict[str, float]:
    """Bounds of the quantities of logits `[..., V]` that are fp32 and came out of sums of these lengths."""
    return bounds(torch.float32, *lengths, logits.shape[-1], FUNCTION, scale=float(logits.abs().max()))


@torch.no_grad()
def logit_bounds(unembed: Unembedding, residual: Tensor) -> dict[str, float]:
    """Bounds of the fp32 logits of the same residual vectors: the norm's sum, the product with the head, the cap."""
    width = unembed.parts.hidden_size
    hidden, weight = unembed.normed(residual.reshape(-1, residual.shape[-1])), unembed.parts.head.weight
    scale = float((hidden.float().abs() @ weight.float().abs().T).max())
    return bounds(torch.float32, width, width, FUNCTION, scale=scale)


def assert_same_readout(ours: Readout, theirs: Readout, *lengths: int) -> None:
    """Every quantity of every layer; `lengths` are those of the sums up to the logits."""
    allowed = readout_bounds(theirs.last_logits, *lengths)
    for field in fields(Readout):
        a, b = getattr(ours, field.name), getattr(theirs, field.name)
        if isinstance(a, Tensor):
            torch.testing.assert_close(a, b, **allowed)
        elif isinstance(a, np.ndarray) and a.dtype == np.float32:
            np.testing.assert_allclose(a, b, **allowed, err_msg=field.name)
        else:
            np.testing.assert_array_equal(a, b, err_msg=field.name)
