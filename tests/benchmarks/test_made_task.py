"""The task that the benchmarks of whole runs make: a picture of its own for each question, in both harnesses."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from lm_eval.tasks import TaskManager as LmEvalTasks
from lmms_eval.tasks import TaskManager as LmmsEvalTasks

from benchmarks.harness.made_task import MADE, write_task


def test_each_question_has_a_picture_of_its_own(tmp_path: Path) -> None:
    folders = write_task(tmp_path, 8)
    rows = pq.read_table(tmp_path / f"{MADE}.parquet").to_pylist()
    assert len({row["image"]["bytes"] for row in rows}) == len(rows) == 8
    assert {row["answer"] for row in rows} == {"yes", "no"}
    for manager in (
        LmmsEvalTasks("ERROR", include_path=str(folders["lmms_eval"]), include_defaults=False),
        LmEvalTasks(include_path=str(folders["lm_eval"]), include_defaults=False),
    ):
        assert MADE in manager.all_tasks
