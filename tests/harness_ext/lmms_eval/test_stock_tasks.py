"""Answers, scores and samples files with the lens, without it and of the stock wrapper: byte for byte the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from lmms_eval.loggers import EvaluationTracker
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate, Outcome
from stock_data import LMMS_EVAL, write_sources
from test_evaluation import stock_wrapper

from lens_tasks.folders import lmms_eval_tasks

MINIS = ("pope_mini", "clevr_mini", "ruclevr_mini", "weird_mini")
_LENS = "lens_"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # of the shipped tasks' own code
]


def written_samples(outcome: Outcome, folder: Path) -> dict[str, bytes]:
    """Task -> its samples file as the harness writes it, without the lens's own entries."""
    tracker = EvaluationTracker(output_path=str(folder))
    tracker.date_id, tracker.general_config_tracker.model_name_sanitized = "date", "model"
    files = {}
    for task, samples in outcome.results["samples"].items():
        own = [{name: value for name, value in sample.items() if not name.startswith(_LENS)} for sample in samples]
        tracker.save_results_samples(task_name=task, samples=own)
        files[task] = next(folder.rglob(f"*_samples_{task}.jsonl")).read_bytes()
    return files


def scores(outcome: Outcome) -> str:
    """The harness's table, without the lens's own columns."""
    table = {
        task: {name: value for name, value in values.items() if not name.startswith(_LENS)}
        for task, values in outcome.results["results"].items()
    }
    return json.dumps(table, sort_keys=True, default=str)


def assert_all_the_same(evaluate: Evaluate, tasks: tuple[str, ...], folder: Path, **settings: Any) -> None:
    named = ",".join(tasks)
    runs = {
        "stock": evaluate(named, model=stock_wrapper(), output="stock", **settings),
        "lens": evaluate(named, "dtype=bfloat16", output="lens", **settings),
        "off": evaluate(named, "dtype=bfloat16,lens=False", output="off", **settings),
    }
    files = {name: written_samples(run, folder / f"files_{name}") for name, run in runs.items()}
    assert set(files["stock"]) == set(tasks)
    assert set(runs["lens"].run.samples["task"]) == set(tasks)
    for name in ("lens", "off"):
        assert scores(runs[name]) == scores(runs["stock"])
        for task in tasks:
            assert files[name][task] == files["stock"][task], (name, task)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaskManager:
    """lmms-eval's own tasks, with their data in the working directory."""
    monkeypatch.chdir(write_sources(tmp_path, LMMS_EVAL))
    # the cache takes data sets of one name in two folders for the same
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return TaskManager("ERROR", model_name="huggingface")


def test_twelve_stock_tasks_are_those_of_the_stock_wrapper(
    evaluate: Evaluate, shipped: TaskManager, tmp_path: Path
) -> None:
    assert len(LMMS_EVAL) == 12
    assert_all_the_same(evaluate, tuple(LMMS_EVAL), tmp_path, task_manager=shipped)


def test_the_minis_are_those_of_the_stock_wrapper(evaluate: Evaluate, tmp_path: Path) -> None:
    manager = TaskManager(
        "ERROR", include_path=str(lmms_eval_tasks()), include_defaults=False, model_name="huggingface"
    )
    assert_all_the_same(evaluate, MINIS, tmp_path, task_manager=manager)
