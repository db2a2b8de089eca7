"""Make lmms-eval look for tasks in our folder too. It has no entry point for tasks."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import lens_tasks

__all__ = ["register_task_folder", "task_folder"]

_MARK = "_lens_task_folder"


def task_folder() -> Path:
    """The folder with the task YAMLs for lmms-eval."""
    return Path(lens_tasks.__file__).parent / "lmms_eval"


def register_task_folder() -> None:
    """Append our folder to every task search; the harness's own tasks and `--include_path` win on equal names."""
    from lmms_eval.tasks import TaskManager

    original = TaskManager.initialize_tasks
    if getattr(original, _MARK, False):
        return

    @functools.wraps(original)
    def initialize_tasks(self: Any, include_path: Any = None, include_defaults: bool = True) -> Any:
        given = [include_path] if isinstance(include_path, str) else list(include_path or [])
        return original(self, include_path=[*given, str(task_folder())], include_defaults=include_defaults)

    setattr(initialize_tasks, _MARK, True)
    TaskManager.initialize_tasks = initialize_tasks
