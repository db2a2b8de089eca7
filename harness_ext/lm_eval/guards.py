"""What a lens run of lm-eval cannot read is refused before the model is asked anything."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from accelerate import DistributedType
from PIL import Image

from lens_models import InputError, LensArgumentError

__all__ = ["check_arguments", "check_instances", "check_processes", "visuals"]

_LOAD_VARIABLES = ("LOAD_BASE64", "LOAD_BYTES", "LOAD_FILES")
_OWN_MEDIA = ("audio", "video")


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse tensor parallelism: each process then holds a part of every layer, and of the head.

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


def check_instances(instances: Iterable[Any]) -> None:
    """Refuse requests whose prompt is no text or whose media are no images.

    Raises:
        InputError: names the task, the document, what was found and what to use.
    """
    for instance in instances:
        where = f"task {instance.task_name}, document {instance.doc_id}"
        if not isinstance(instance.args[0], str):
            raise InputError(
                f"{where}: the request is a chat history ({type(instance.args[0]).__name__}), which the lens does not "
                "read. Run without --pass_multimodal_args_to_chat_history; --apply_chat_template puts the same images "
                "into the prompt. lens=False leaves such requests to the harness."
            )
        for medium in _OWN_MEDIA:
            if _media(instance, medium):
                raise InputError(
                    f"{where}: the request has {medium}; hf-multimodal-lens takes images in lm-eval. Convert videos to "
                    "frames, or use lmms-eval for them."
                )
        for number, image in enumerate(visuals(instance)):
            _check_image(image, f"{where}, image {number}")


def visuals(instance: Any) -> list[Any]:
    """The images of a request."""
    return _media(instance, "visual")


def _media(instance: Any, kind: str) -> list[Any]:
    auxiliary = instance.args[2] if len(instance.args) > 2 else None
    return list((auxiliary.get(kind) if isinstance(auxiliary, Mapping) else None) or [])


def _check_image(image: object, where: str) -> None:
    if isinstance(image, Image.Image):
        return
    switched = [f"{name}={os.environ[name]}" for name in _LOAD_VARIABLES if os.environ.get(name)]
    because = f" ({' '.join(switched)} is set)" if switched else ""
    raise InputError(
        f"{where}: expected a PIL image, found {type(image).__name__}{because}. Load media as objects: unset "
        f"{', '.join(_LOAD_VARIABLES)}, or set LOAD_OBJECT=1."
    )


def check_processes(accelerator: Any) -> None:
    """Refuse sharding modes in which no process holds a whole layer.

    Raises:
        LensArgumentError: says what was found and what to use.
    """
    kind = getattr(accelerator, "distributed_type", None)
    if kind in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        raise LensArgumentError(
            f"{kind} splits each layer over processes, so none of them can read it. Launch with plain data parallelism "
            "(accelerate launch --multi_gpu), or one process with parallelize=True."
        )
