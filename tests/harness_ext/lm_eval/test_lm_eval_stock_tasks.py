"""Answers, scores and samples files with the lens, without it and of `hf-multimodal`: byte for byte the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Evaluate, Outcome
from stock_data import LM_EVAL, write_sources

from harness_ext.lm_eval.plugin import register
from lens_tasks.folders import lm_eval_tasks

MINIS = ("pope_mini", "clevr_mini", "ruclevr_mini", "weird_mini")
_LENS = "lens_"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # of the shipped tasks' own code
]


def written_samples(outcome: Outcome, task: str) -> list[bytes]:
    """The lines of a task's samples file as the harness wrote it, without what is the lens's own."""
    content = next(outcome.folder.glob(f"samples_{task}_2*.jsonl")).read_text(encoding="utf-8")
    lines = [json.loads(line) for line in content.split("\n") if line]
    for line in lines:
        for name in [name for name in line if name.startswith(_LENS)]:
            del line[name]
        line["metrics"] = [name for name in line["metrics"] if not name.startswith(_LENS)]
        line.pop("doc_hash", None)  # of a document with pictures it holds their addresses in memory
    return [json.dumps(line, ensure_ascii=False).encode() for line in lines]


def scores(outcome: Outcome) -> str:
    """The harness's table, without the lens's own columns."""
    table = {
        task: {name: value for name, value in values.items() if not name.startswith(_LENS)}
        for task, values in outcome.results["results"].items()
    }
    return json.dumps(table, sort_keys=True, default=str)


def assert_all_the_same(evaluate: Evaluate, tasks: tuple[str, ...], **settings: Any) -> None:
    named = ",".join(tasks)
    stock = evaluate(named, model="hf-multimodal", output="stock", **settings)
    for output, arguments in (("lens", ""), ("off", "lens=False")):
        found = evaluate(named, arguments, output=output, **settings)
        assert scores(found) == scores(stock)
        for task in tasks:
            lines = written_samples(found, task)
            assert lines
            assert lines == written_samples(stock, task), (output, task)
        if not arguments:
            assert set(found.run.samples["task"]) == set(tasks)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaskManager:
    """lm-eval's own tasks, with their data in the working directory."""
    monkeypatch.chdir(write_sources(tmp_path, LM_EVAL))
    # the cache takes data sets of one name in two folders for the same
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    register()
    manager = TaskManager()
    # MMMU guesses with `random`, which it seeds when its functions are loaded: once, before the first of several runs
    manager.load([task for task in LM_EVAL if task in manager.all_tasks])
    return manager


def test_twelve_stock_tasks_are_those_of_the_stock_model(evaluate: Evaluate, shipped: TaskManager) -> None:
    known = tuple(task for task in LM_EVAL if task in shipped.all_tasks)
    if len(known) < len(LM_EVAL):
        pytest.skip(f"this lm-eval ships {len(known)} of the {len(LM_EVAL)} tasks")
    assert_all_the_same(evaluate, known, task_manager=shipped, batch_size=1)


def test_the_minis_are_those_of_the_stock_model(evaluate: Evaluate) -> None:
    manager = TaskManager(include_path=str(lm_eval_tasks()), include_defaults=False)
    assert_all_the_same(evaluate, MINIS, task_manager=manager, batch_size=1)
