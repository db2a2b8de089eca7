"""Where the parts of a model are, when accelerate moves them about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from .errors import PartsError
from .parts import ModelParts

__all__ = ["compute_device", "require_weights"]

_META = "meta"


def compute_device(module: nn.Module, default: torch.device | None = None) -> torch.device:
    """The device on which a module computes; weights that accelerate keeps elsewhere between calls are on "meta".

    Args:
        module: a part of a model.
        default: for modules without parameters; the CPU when None.
    """
    parameter = next(module.parameters(), None)
    if parameter is None:
        return default or torch.device("cpu")
    if parameter.device.type != _META:
        return parameter.device
    found = [hook.execution_device for hook in _hooks(module) if getattr(hook, "execution_device", None) is not None]
    return torch.device(found[-1] if found else "cpu")


def require_weights(parts: ModelParts) -> None:
    """Refuse a part whose weights are on "meta" with nothing that brings them when it runs.

    Raises:
        PartsError: names the part.
    """
    named = [(f"layer {number}", layer) for number, layer in enumerate(parts.layers, start=1)]
    named += [("the final norm", parts.norm)] if parts.norm is not None else []
    for name, part in [*named, ("the head", parts.head)]:
        empty = any(parameter.device.type == _META for parameter in part.parameters())
        if empty and not any(True for module in part.modules() for _ in _hooks(module)):
            raise PartsError(
                f"{name} of {parts.model_class} has no weights: they are on the device 'meta', and nothing loads them "
                "when it runs. Load the model with a device, or with a device_map that offloads through accelerate."
            )


def _hooks(module: nn.Module) -> Iterator[Any]:
    """accelerate's hooks of a module; several of them stand in one that holds the others."""
    hook = getattr(module, "_hf_hook", None)
    if hook is not None:
        yield from getattr(hook, "hooks", (hook,))
