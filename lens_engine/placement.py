"""On which device this process runs the model, and which ways to spread one are refused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator, DistributedType

from lens_models import LensArgumentError
from lens_models.loading import default_device

from .model_arguments import ModelArguments

__all__ = ["Placement", "place", "require_whole_layers", "require_whole_model"]


@dataclass(frozen=True)
class Placement:
    """Device of a single-device model, or a device map, and this process's place among its peers."""

    device: torch.device | None
    device_map: str | None
    rank: int
    world_size: int


def place(accelerator: Accelerator, arguments: ModelArguments) -> Placement:
    """One whole model a process: its own GPU under `accelerate launch`, the CPU where there is none.

    Raises:
        LensArgumentError: a sharding mode in which no process holds the whole head, or a device map across processes.
    """
    if accelerator.num_processes == 1:
        device = torch.device(arguments.device) if arguments.device else default_device()
        return Placement(None if arguments.device_map else device, arguments.device_map, 0, 1)
    require_whole_layers(accelerator, "device_map=auto")
    if arguments.device_map:
        raise LensArgumentError("device_map cannot be combined with several processes; choose one of the two")
    # a plain "cuda" or "cpu" names the kind; each process takes its own device of it
    wanted = torch.device(arguments.device) if arguments.device else accelerator.device
    device = wanted if wanted.type == "cpu" else accelerator.device
    return Placement(device, None, accelerator.process_index, accelerator.num_processes)


def require_whole_layers(accelerator: Any, alternative: str) -> None:
    """Refuse sharding modes in which no process holds a whole layer.

    Args:
        accelerator: of accelerate, or None.
        alternative: the argument that spreads a model over the devices of one process.

    Raises:
        LensArgumentError: says what was found and what to use.
    """
    kind = getattr(accelerator, "distributed_type", None)
    if kind in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        raise LensArgumentError(
            f"{kind} splits each layer over processes, so none of them can read it. Launch with plain data parallelism "
            f"(accelerate launch --multi_gpu), or one process with {alternative}."
        )


def require_whole_model(arguments: Mapping[str, Any]) -> None:
    """Refuse tensor parallelism: each process then holds a part of every layer, and of the head.

    Args:
        arguments: of the model; `tp_plan` and MERA's `HARNESS_TENSOR_PARALLEL` are looked at.

    Raises:
        LensArgumentError: says what was found and what to use.
    """
    found = [f"tp_plan={arguments['tp_plan']}"] if arguments.get("tp_plan") is not None else []
    if os.environ.get("HARNESS_TENSOR_PARALLEL", "0") not in ("", "0"):
        found.append(f"HARNESS_TENSOR_PARALLEL={os.environ['HARNESS_TENSOR_PARALLEL']}")
    if found:
        raise LensArgumentError(
            f"{' and '.join(found)}: tensor parallelism splits each layer over processes, and every process would "
            "write the same records. Use parallelize=True (layers on several GPUs, one process) or accelerate launch "
            "(one whole model a GPU); lens=False runs tensor parallelism without the lens."
        )
