"""Whole runs of lmms-eval in this process."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from typing import Any

from lmms_eval import evaluator
from lmms_eval.models import get_model
from lmms_eval.tasks import TaskManager

from lens_models.loading import resolve_pretrained

from .evaluation import Evaluation

__all__ = ["ways"]

_MODEL_ID = "hf-multimodal-lens"
_STOCK = ("qwen2_vl", "huggingface")


def ways(asked: Evaluation) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """Name -> a whole run, from loading the model to the table; and name -> reason for what cannot run here."""
    include = None if asked.include is None else str(asked.include)
    manager = TaskManager("ERROR", include_path=include, model_name=_MODEL_ID)
    path, device = resolve_pretrained(asked.model), str(asked.device)

    def stock(name: str, samples: int) -> Any:
        made = get_model(name)(pretrained=path, batch_size=asked.batch, device=device, device_map=device)
        return _run(asked, manager, made, "", samples)

    usable: dict[str, Callable[[], Any]] = {}
    missing: dict[str, str] = {}
    for name in _STOCK:
        try:
            stock(name, min(2, asked.limit))
        except (Exception, SystemExit) as error:  # whatever a stock wrapper lacks on this machine
            missing[f"stock {name}"] = f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
        else:
            usable[f"stock {name}"] = functools.partial(stock, name, asked.limit)
    for label, words in asked.ours.items():
        usable[label] = functools.partial(_run, asked, manager, _MODEL_ID, f"{words},device={device}", asked.limit)
    return usable, missing


def _run(asked: Evaluation, manager: TaskManager, model: Any, arguments: str, limit: int) -> Any:
    options = argparse.Namespace(
        output_path=str(asked.folder), model_args=arguments, process_with_media=False, reasoning_tags=None
    )
    results = evaluator.simple_evaluate(
        model=model,
        model_args=arguments,
        tasks=[asked.task],
        limit=limit,
        batch_size=asked.batch,
        task_manager=manager,
        bootstrap_iters=0,
        cli_args=options,
        verbosity="ERROR",
    )
    assert results is not None
    return results
