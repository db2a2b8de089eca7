"""A task of as many drawn pictures as wanted, one question about each, for both harnesses."""

from __future__ import annotations

import shutil
from pathlib import Path

from lens_tasks.folders import lm_eval_tasks, lmms_eval_tasks
from lens_tasks.scenes.pictures import Row, image_cell
from lens_tasks.scenes.pope import KINDS, kinds_of, question_row
from lens_tasks.scenes.sample import sample_scene
from lens_tasks.scenes.tables import to_table, write

__all__ = ["MADE", "write_task"]

MADE = "pope_made"
_FIRST_SEED = 5_000_000  # of no benchmark and of no training
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
    data = folder / f"{MADE}.parquet"
    write(to_table("pope_mini", [_row(number) for number in range(images)]), data)
    folders = {}
    for harness, tasks in (("lmms_eval", lmms_eval_tasks()), ("lm_eval", lm_eval_tasks())):
        folders[harness] = folder / harness
        folders[harness].mkdir()
        for name in ("_pope.yaml", "utils.py"):
            shutil.copy(tasks / name, folders[harness])
        (folders[harness] / f"{MADE}.yaml").write_text(_TASK.format(name=MADE, data=data), encoding="utf-8")
    return folders


def _row(number: int) -> Row:
    """A scene and whether one kind of object is in it: in every other one it is."""
    scene, name, there = sample_scene(_FIRST_SEED + number), f"made_{number:06d}", number % 2 == 0
    shown = kinds_of(scene)
    kind = next(each for each in KINDS if (each in shown) == there)
    image = image_cell(scene, f"{name}.png")
    return question_row(number, scene, kind, "yes" if there else "no", name, image, "random")
