"""A task of as many drawn pictures as wanted, one question about each, for both harnesses."""

from __future__ import annotations

import shutil
from pathlib import Path

from lens_tasks.folders import lm_eval_tasks, lmms_eval_tasks
from lens_tasks.scenes.boxes import boxes_cell, referents
from lens_tasks.scenes.english import question_text
from lens_tasks.scenes.pictures import Row, image_cell
from lens_tasks.scenes.pope import KINDS, kinds_of
from lens_tasks.scenes.questions import Noun, Phrase, Question
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
    scene = sample_scene(_FIRST_SEED + number)
    shown = kinds_of(scene)
    color, shape = next(kind for kind in KINDS if (kind in shown) == (number % 2 == 0))
    question = Question("exist", (Phrase(Noun(color=color, shape=shape)),))
    return {
        "id": str(number), "question_id": str(number + 1), "question": question_text(question),
        "answer": "yes" if number % 2 == 0 else "no", "image_source": f"made_{number:06d}",
        "image": image_cell(scene, f"made_{number:06d}.png"), "category": "random",
        "lens_boxes": boxes_cell(scene, *referents(question, scene)),
    }  # fmt: skip
