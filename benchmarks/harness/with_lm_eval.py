"""Whole runs of lm-eval in this process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lm_eval import evaluator
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

from harness_ext.lm_eval.plugin import MODEL_ID, register
from lens_models.loading import resolve_pretrained

__all__ = ["ways"]


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
    """Name -> a whole run, from loading the model to the table; nothing that cannot run."""
    register()
    manager = TaskManager(include_path=None if include is None else str(include), include_defaults=False)
    run = functools.partial(_run, task, limit, batch, device, folder, manager)
    stock = f"pretrained={resolve_pretrained(model)}"
    ours = f"pretrained={model}"
    more = {f"ours, {lens_args}": lambda: run(MODEL_ID, f"{ours},{lens_args}")} if lens_args else {}
    return {
        "stock hf-multimodal": lambda: run("hf-multimodal", stock),
        "ours, lens off": lambda: run(MODEL_ID, f"{ours},lens=False"),
        "ours, lens on": lambda: run(MODEL_ID, ours),
        **more,
    }, {}


def _run(
    task: str, limit: int, batch: int, device: torch.device, folder: Path, manager: TaskManager, model: str, words: str
) -> Any:
    results = evaluator.simple_evaluate(
        model=model,
        model_args=words,
        device=str(device),
        tasks=[task],
        limit=limit,
        batch_size=batch,
        task_manager=manager,
        bootstrap_iters=0,
        apply_chat_template=True,
        evaluation_tracker=EvaluationTracker(output_path=str(folder)),
        verbosity="ERROR",
    )
    assert results is not None
    return results
