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

from lens_models.loading import resolve_pretrained

__all__ = ["ways"]

_MODEL_ID = "hf-multimodal-lens"
_STOCK = ("qwen2_vl", "huggingface")


def ways(
    model: str,
    task: str,
    limit: int,
    batch: int,
    device: torch.device,
    folder: Path,
    include: Path | None = None,
    lens_args: str = "",
) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """Name -> a whole run, from loading the model to the table; and name -> reason for what cannot run here."""
    manager = TaskManager("ERROR", include_path=None if include is None else str(include), model_name=_MODEL_ID)
    path = resolve_pretrained(model)

    def stock(name: str, samples: int) -> Any:
        made = get_model(name)(pretrained=path, batch_size=batch, device=str(device), device_map=str(device))
        return _run(made, "", task, samples, batch, manager, folder)

    usable: dict[str, Callable[[], Any]] = {}
    missing: dict[str, str] = {}
    for name in _STOCK:
        try:
            stock(name, min(2, limit))
        except (Exception, SystemExit) as error:  # whatever a stock wrapper lacks on this machine
            missing[f"stock {name}"] = f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
        else:
            usable[f"stock {name}"] = lambda name=name: stock(name, limit)
    ours = {"ours, lens off": "lens=False", "ours, lens on": "lens=True"}
    for label, words in (ours | ({f"ours, {lens_args}": lens_args} if lens_args else {})).items():
        arguments = f"pretrained={model},{words},device={device}"
        usable[label] = lambda arguments=arguments: _run(_MODEL_ID, arguments, task, limit, batch, manager, folder)
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
