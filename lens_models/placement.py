"""Where the parts of a model are, when accelerate moves them about or several processes share them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from .errors import PartsError
from .parts import ModelParts

__all__ = ["alone", "compute_device", "require_weights", "sharers"]

_META = "meta"


def alone() -> bool:
    """Whether this process is the only one of its run, as far as `torch.distributed` knows."""
    return not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1)


def sharers(module: nn.Module) -> int:
    """How many processes hold the parameters of a module together, each a part; 1 where this one holds them whole."""
    meshes = (getattr(parameter, "device_mesh", None) for parameter in module.parameters())
    return max((mesh.size() for mesh in meshes if mesh is not None), default=1)


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
