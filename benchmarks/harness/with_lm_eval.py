"""Whole runs of lm-eval in this process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lm_eval import evaluator
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

from harness_ext.lm_eval.plugin import MODEL_ID, register
from lens_models.loading import resolve_pretrained

from .evaluation import Evaluation

__all__ = ["ways"]


def ways(asked: Evaluation) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """Name -> a whole run, from loading the model to the table; nothing that cannot run."""
    register()
    include = None if asked.include is None else str(asked.include)
    run = functools.partial(_run, asked, TaskManager(include_path=include, include_defaults=False))
    stock = f"pretrained={resolve_pretrained(asked.model)}"
    ours = {name: functools.partial(run, MODEL_ID, words) for name, words in asked.ours.items()}
    return {"stock hf-multimodal": functools.partial(run, "hf-multimodal", stock), **ours}, {}


def _run(asked: Evaluation, manager: TaskManager, model: str, words: str) -> Any:
    results = evaluator.simple_evaluate(
        model=model,
        model_args=words,
        device=str(asked.device),
        tasks=[asked.task],
        limit=asked.limit,
        batch_size=asked.batch,
        task_manager=manager,
        bootstrap_iters=0,
        apply_chat_template=True,
        evaluation_tracker=EvaluationTracker(output_path=str(asked.folder)),
        verbosity="ERROR",
    )
    assert results is not None
    return results
