"""Make lmms-eval look for tasks in our folder too. It has no entry point for tasks."""

from __future__ import annotations

import functools
from typing import Any

from lens_tasks.folders import lmms_eval_tasks

__all__ = ["register_task_folder"]

_MARK = "_lens_task_folder"


def register_task_folder() -> None:
    """Append our folder to every task search; the harness's own tasks and `--include_path` win on equal names."""
    from lmms_eval.tasks import TaskManager

    original = TaskManager.initialize_tasks
    if getattr(original, _MARK, False):
        return

    @functools.wraps(original)
    def initialize_tasks(self: Any, include_path: Any = None, include_defaults: bool = True) -> Any:
        given = [include_path] if isinstance(include_path, str) else list(include_path or [])
        return original(self, include_path=[*given, str(lmms_eval_tasks())], include_defaults=include_defaults)

    setattr(initialize_tasks, _MARK, True)
    TaskManager.initialize_tasks = initialize_tasks
