"""The residual stream among what the blocks of vLLM's models are given and give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lens_models.errors import CaptureError

__all__ = ["residual_stream"]


def residual_stream(values: Sequence[Any]) -> list[Tensor]:
    """What blocks hand on: one or two tensors `[tokens, d]` in floating point; positions are whole numbers.

    Raises:
        CaptureError: there is none.
    """
    found = [each for each in values if isinstance(each, Tensor) and each.is_floating_point() and each.dim() == 2]
    if not found:
        raise CaptureError("a block was given, or gave, no residual stream of the form [tokens, d]")
    return found[:2]
