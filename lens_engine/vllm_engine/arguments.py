"""Arguments of vLLM's client with which the lens can read its model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lens_engine.options import LensOptions, flag
from lens_models import LensArgumentError
from lens_models.vllm_worker.in_graph import SEE

from .lens import COMPILED_WORKER, WORKER

__all__ = ["client_arguments"]

_RUNNER = "VLLM_USE_V2_MODEL_RUNNER"


def client_arguments(given: Mapping[str, Any], options: LensOptions) -> dict[str, Any]:
    """The arguments for `vllm.LLM`, with what the lens needs beside the user's own.

    `enforce_eager=False` compiles the model as the stock one does; the lens then watches from inside the graph.

    Raises:
        LensArgumentError: speculative decoding, pipeline parallelism, a worker class of the user's, or the second
            model runner, which the lens does not read; `lens=False` runs them without it.
    """
    arguments = dict(given)
    if options.interventions:
        raise LensArgumentError("lens_intervene: vLLM's models are not changed; use hf-multimodal-lens")
    for name, what in (
        ("one_prefill", "beginnings of prompts"),
        ("shared_prefix", "beginnings of prompts"),
        ("shared_vision", "encoded pictures"),
    ):
        if getattr(options, name):
            raise LensArgumentError(f"lens_{name}: vLLM shares {what} by itself; leave it out")
    if not options.enabled:
        return arguments
    for name, why in (
        ("speculative_config", "checks several tokens in one pass"),
        ("worker_extension_cls", "takes the place of the lens's own"),
        ("worker_cls", "takes the place of the lens's own"),
    ):
        if arguments.get(name):
            raise LensArgumentError(f"{name}={arguments[name]}: it {why}; lens=False runs it without the lens")
    if int(arguments.get("pipeline_parallel_size", 1)) > 1:
        raise LensArgumentError("pipeline_parallel_size > 1: the layers are on several ranks; use tensor_parallel_size")
    if os.environ.get(_RUNNER, "0") not in ("", "0"):
        raise LensArgumentError(f"{_RUNNER}={os.environ[_RUNNER]}: the lens reads vLLM's first model runner; unset it")
    os.environ[_RUNNER] = "0"
    if flag(arguments.get("enforce_eager", True), "enforce_eager"):
        return {**arguments, "enforce_eager": True, "worker_extension_cls": WORKER}
    return _compiled(arguments)


def _compiled(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """With these vLLM compiles the model, splits its graph where the lens looks, and keeps it apart from the stock one.

    Raises:
        LensArgumentError: a configuration of the compilation of the user's.
    """
    from vllm.config import CompilationConfig
    from vllm.platforms import current_platform

    if arguments.get("compilation_config"):
        raise LensArgumentError("compilation_config: with enforce_eager=False the lens sets its own; leave it out")
    # vLLM keeps compiled graphs on disk, by its own configuration: this part of it tells one that is watched
    watched = {**(arguments.get("additional_config") or {}), "lens": SEE}
    found = {**arguments, "enforce_eager": False, "worker_cls": COMPILED_WORKER, "additional_config": watched}
    if not current_platform.is_cpu():
        # the operation runs between the pieces of a CUDA graph, and no graph holds a whole step
        split = [*CompilationConfig._attention_ops, SEE]
        found["compilation_config"] = {"splitting_ops": split, "cudagraph_mode": "PIECEWISE"}
    return found
