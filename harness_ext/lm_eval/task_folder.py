"""Make lm-eval look for tasks in our folder too. It has no entry point for tasks."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from lens_tasks.folders import lm_eval_tasks

__all__ = ["register_task_folder"]

_MARK = "_lens_task_folder"


def register_task_folder() -> None:
    """Add our folder to every task search; tasks of `--include_path` win on equal names."""
    from lm_eval.tasks import TaskManager

    original = TaskManager.__init__
    if getattr(original, _MARK, False):
        return
    later_wins = hasattr(TaskManager, "load")  # since the task manager was rewritten for 0.4.10

    @functools.wraps(original)
    def init(self: Any, verbosity: Any = None, include_path: Any = None, *args: Any, **kwargs: Any) -> None:
        given = [include_path] if isinstance(include_path, str | Path) else list(include_path or [])
        # releases of the 0.4.9 line differ in which of two tasks of one name they keep: the first, or the last
        around = [] if later_wins else given
        original(self, verbosity, [*around, str(lm_eval_tasks()), *given], *args, **kwargs)

    setattr(init, _MARK, True)
    TaskManager.__init__ = init
