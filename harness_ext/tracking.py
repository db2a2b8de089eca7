"""The main figures of a run in the Weights & Biases run that the harness has open.

The lens metrics are in the results that the harness itself logs; figures are not. They are put beside them while that
run is open: no run is made here, and nothing that fails here touches the evaluation.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["log_figures"]


def log_figures(files: Mapping[str, Path], warn: Callable[[str], object]) -> None:
    """Put the main figures of each task into the open run of wandb, as `lens/TASK/FIGURE`; nothing where none is open.

    They wait for the next step that the harness logs, whose number is thereby what it would have been.

    Args:
        files: task -> record file; none in a process that keeps no records, and where the user named no folder, which
            the recording says itself.
        warn: is told why figures are missing.
    """
    wandb: Any = sys.modules.get("wandb")  # it is imported where a run is open
    run = getattr(wandb, "run", None)
    if run is None or not files:
        return
    try:
        run.log(dict(_pictures(files, wandb)), commit=False)
    except Exception as error:  # the evaluation is done, and its results are still to be written
        warn(f"The lens's figures did not reach Weights & Biases: {type(error).__name__}: {error}")


def _pictures(files: Mapping[str, Path], wandb: Any) -> Any:
    from PIL import Image

    from lens_report import figures, task_runs
    from lens_results import load

    with tempfile.TemporaryDirectory() as folder:
        for task, file in files.items():
            for task_run in task_runs(load(file)):
                for each in figures.main_figures(task_run):
                    png, _ = figures.save(each.draw(), Path(folder) / each.name)
                    with Image.open(png) as picture:
                        yield f"lens/{task}/{each.name}", wandb.Image(picture.copy(), caption=each.caption)
