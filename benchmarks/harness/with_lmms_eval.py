"""Whole runs of lmms-eval in this process."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lmms_eval import evaluator
from lmms_eval.models import get_model
from lmms_eval.tasks import TaskManager

from lens_models import load_model
from lens_models.loading import resolve_pretrained

__all__ = ["ways"]

_MODEL_ID = "hf-multimodal-lens"


def ways(
    model: str, task: str, limit: int, batch: int, device: torch.device, folder: Path
) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """Name -> a whole run, from loading the model to the table; and name -> reason for what cannot run here."""
    manager = TaskManager("ERROR", model_name=_MODEL_ID)
    path = resolve_pretrained(model)
    made: dict[str, Callable[[], Any]] = {
        "stock huggingface": lambda: _huggingface(path, batch, device),
        "stock qwen2_vl": lambda: get_model("qwen2_vl")(
            pretrained=path, batch_size=batch, device=str(device), device_map=str(device)
        ),
    }
    usable, missing = {}, {}
    for name, make in made.items():
        try:
            _run(make(), "", task, min(2, limit), batch, manager, folder)
        except Exception as error:  # whatever a stock wrapper lacks on this machine
            missing[name] = f"{type(error).__name__}: {str(error)[:150]}"
        else:
            usable[name] = lambda make=make: _run(make(), "", task, limit, batch, manager, folder)
    for name, lens in (("ours, lens off", False), ("ours, lens on", True)):
        arguments = f"pretrained={model},lens={lens},device={device},dtype=float32"
        usable[name] = lambda arguments=arguments: _run(_MODEL_ID, arguments, task, limit, batch, manager, folder)
    return usable, missing


def _run(model: Any, arguments: str, task: str, limit: int, batch: int, manager: TaskManager, folder: Path) -> Any:
    options = argparse.Namespace(
        output_path=str(folder), model_args=arguments, process_with_media=False, reasoning_tags=None
    )
    results = evaluator.simple_evaluate(
        model=model,
        model_args=arguments,
        tasks=[task],
        limit=limit,
        batch_size=batch,
        task_manager=manager,
        bootstrap_iters=0,
        cli_args=options,
        verbosity="ERROR",
    )
    assert results is not None
    return results


def _huggingface(path: str, batch: int, device: torch.device) -> Any:
    """The stock wrapper with what it takes to run under transformers 5, and in float32 as the other ways.

    It loads the class without a head, in bfloat16, and hands the processor an empty list of `audios`, a name that is
    refused. Everything else is the harness's code.
    """
    model = get_model("huggingface")(pretrained=path, batch_size=batch, device=str(device), device_map=str(device))
    model._model = load_model(path, dtype="float32", device=str(device)).model
    process = type(model.processor).__call__

    class WithoutAudios(type(model.processor)):  # type: ignore[misc]
        def __call__(self, *args: Any, audios: Any = (), **kwargs: Any) -> Any:
            return process(self, *args, **{name: value for name, value in kwargs.items() if value != []})

    model.processor.__class__ = WithoutAudios
    return model
