"""On which device this process runs the model, and which ways to spread one there are."""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator, DistributedType

from lens_models import LensArgumentError
from lens_models.loading import default_device

from .model_arguments import ModelArguments

__all__ = [
    "Placement",
    "leave_group_at_exit",
    "place",
    "place_in_group",
    "require_whole_layers",
    "tensor_parallel",
]


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


def tensor_parallel(arguments: Mapping[str, Any]) -> bool:
    """Whether the processes of this run are to hold one model together, each a part of every layer.

    Args:
        arguments: of the model; `tp_plan` and MERA's `HARNESS_TENSOR_PARALLEL` are looked at.

    Raises:
        LensArgumentError: only one of the two things that it takes is there: a plan, and several processes.
    """
    switch = os.environ.get("HARNESS_TENSOR_PARALLEL", "0") not in ("", "0")
    processes = int(os.environ.get("WORLD_SIZE") or 1)
    if arguments.get("tp_plan") is None:
        if switch:
            raise LensArgumentError(
                f"HARNESS_TENSOR_PARALLEL={os.environ['HARNESS_TENSOR_PARALLEL']} without tp_plan: nothing would be "
                "split, and every process would answer everything. Add tp_plan=auto to --model_args, or unset it"
            )
        return False
    if processes < 2:
        raise LensArgumentError(
            f"tp_plan={arguments['tp_plan']} splits each layer over processes, and this run has one. Start several: "
            "HARNESS_TENSOR_PARALLEL=1 accelerate launch --num_processes 2 -m harness_ext.lm_eval ..."
        )
    return True


def place_in_group(world_size: int) -> int:
    """Number of this process among those that hold one model together.

    Args:
        world_size: processes between which the harness splits the documents.

    Raises:
        LensArgumentError: the harness splits the documents, or the processes were not joined.
    """
    if world_size != 1:
        raise LensArgumentError(
            f"tp_plan: this lm-eval splits the documents over the {world_size} processes that hold the model together, "
            "so that they would wait for each other for ever. Install lm-eval 0.4.13 or later, or MERA's lm-eval that "
            "knows HARNESS_TENSOR_PARALLEL=1"
        )
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        raise LensArgumentError(
            "tp_plan: the model was loaded whole in each process; this transformers did not split it. Install "
            "transformers 5, or use parallelize=True (layers on several GPUs, one process)"
        )
    return dist.get_rank()


@functools.cache
def leave_group_at_exit() -> None:
    """Have this process leave a group of gloo before its interpreter ends.

    Neither accelerate nor the harnesses do. Threads of gloo that outlive the interpreter abort the process now and then
    (github.com/pytorch/pytorch/issues/190489), and a launcher then stops the others before they have written what was
    found. Groups of NCCL are left alone: those that fail must not wait there for the others.
    """
    atexit.register(_leave_group)


def _leave_group() -> None:
    if dist.is_available() and dist.is_initialized() and dist.get_backend() == "gloo":
        dist.destroy_process_group()
