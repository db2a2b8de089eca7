"""What the first decoder layer is given, without running the decoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lens_models.errors import CaptureError

__all__ = ["decoder_input"]


class _ReachedError(Exception):
    """The first decoder layer was reached."""


@torch.no_grad()
def decoder_input(model: nn.Module, first_layer: nn.Module, inputs: Mapping[str, Any]) -> Tensor:
    """`[rows, sequence, d]`, fp32 on the CPU: the input of the first decoder layer.

    The forward pass ends there, so the cost is that of the vision tower.

    Raises:
        CaptureError: the model ran to its end without calling the layer.
    """
    seen: list[Tensor] = []

    def stop(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hidden = args[0] if args else kwargs["hidden_states"]
        seen.append(hidden.detach().flatten(2).float().cpu().clone())  # some models have several streams
        raise _ReachedError

    handle = first_layer.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        model(**inputs)
    except _ReachedError:
        return seen[0]
    finally:
        handle.remove()
    raise CaptureError(f"{type(model).__name__} ran without calling its first decoder layer")
