"""A task of as many drawn pictures as wanted, one question about each, for both harnesses."""

from __future__ import annotations

import shutil
from pathlib import Path

from lens_tasks.folders import lm_eval_tasks, lmms_eval_tasks
from lens_tasks.scenes.pope import pope_rows
from lens_tasks.scenes.tables import to_table, write

__all__ = ["MADE", "write_task"]

MADE = "pope_made"
_QUESTIONS = 6  # about a picture
_TASK = """\
include: _pope.yaml
task: {name}
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
"""


def write_task(folder: Path, images: int) -> dict[str, Path]:
    """Harness -> the folder with its task `pope_made`, for `--include_path`; prompts and metrics are those of POPE."""
    rows = pope_rows(images)
    chosen = [rows[number * _QUESTIONS + number % _QUESTIONS] for number in range(images)]
    data = folder / f"{MADE}.parquet"
    write(to_table("pope_mini", chosen), data)
    folders = {}
    for harness, tasks in (("lmms_eval", lmms_eval_tasks()), ("lm_eval", lm_eval_tasks())):
        folders[harness] = folder / harness
        folders[harness].mkdir()
        for name in ("_pope.yaml", "utils.py"):
            shutil.copy(tasks / name, folders[harness])
        (folders[harness] / f"{MADE}.yaml").write_text(_TASK.format(name=MADE, data=data), encoding="utf-8")
    return folders
