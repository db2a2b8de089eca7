from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lmms_eval import evaluator
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate, Outcome
from tiny_tasks import write_tasks

MODEL = "hf-multimodal-lens"


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def task_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="session")
def task_manager(task_folder: Path) -> TaskManager:
    return TaskManager("ERROR", include_path=str(task_folder), include_defaults=False, model_name=MODEL)


@pytest.fixture
def evaluate(task_manager: TaskManager, tmp_path: Path) -> Evaluate:
    """Run the harness in this process on the tiny tasks, as its command line does."""

    def run(tasks: str, model_args: str = "", *, output: str = "out", **kwargs: Any) -> Outcome:
        folder = tmp_path / output
        cli_args = argparse.Namespace(
            output_path=str(folder), model_args=model_args, process_with_media=False, reasoning_tags=None
        )
        model = kwargs.pop("model", MODEL)
        results = evaluator.simple_evaluate(
            model=model,
            model_args=model_args,
            tasks=tasks.split(","),
            task_manager=kwargs.pop("task_manager", task_manager),
            bootstrap_iters=0,
            cli_args=cli_args,
            verbosity="ERROR",
            **kwargs,
        )
        assert results is not None
        return Outcome(results, folder)

    return run
