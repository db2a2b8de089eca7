"""Arguments of vLLM's client with which the lens can read its model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lens_engine.options import LensOptions, flag
from lens_models import LensArgumentError

from .lens import WORKER

__all__ = ["client_arguments"]

_RUNNER = "VLLM_USE_V2_MODEL_RUNNER"


def client_arguments(given: Mapping[str, Any], options: LensOptions) -> dict[str, Any]:
    """The arguments for `vllm.LLM`, with what the lens needs beside the user's own.

    Raises:
        LensArgumentError: speculative decoding, pipeline parallelism, a worker extension of the user's, or the second
            model runner, which the lens does not read; `lens=False` runs them without it.
    """
    arguments = dict(given)
    if not options.enabled:
        return arguments
    for name, why in (
        ("speculative_config", "checks several tokens in one pass"),
        ("worker_extension_cls", "takes the place of the lens's own"),
    ):
        if arguments.get(name):
            raise LensArgumentError(f"{name}={arguments[name]}: it {why}; lens=False runs it without the lens")
    if int(arguments.get("pipeline_parallel_size", 1)) > 1:
        raise LensArgumentError("pipeline_parallel_size > 1: the layers are on several ranks; use tensor_parallel_size")
    if "enforce_eager" in arguments and not flag(arguments["enforce_eager"], "enforce_eager"):
        raise LensArgumentError("enforce_eager=False: compiled graphs hide the layers; leave it out, or set lens=False")
    if os.environ.get(_RUNNER, "0") not in ("", "0"):
        raise LensArgumentError(f"{_RUNNER}={os.environ[_RUNNER]}: the lens reads vLLM's first model runner; unset it")
    os.environ[_RUNNER] = "0"
    return {**arguments, "enforce_eager": True, "worker_extension_cls": WORKER}
