from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Evaluate, Outcome, evaluated

from harness_ext.lm_eval.plugin import MODEL_ID, register
from lens_models import LENS_TINY
from lens_models.loading import resolve_pretrained

_THIRD_PARTY = (
    # lm-eval 0.4.9 on transformers 4
    "ignore:The class `AutoModelForVision2Seq` is deprecated:FutureWarning",
    "ignore:unclosed file .*results_:ResourceWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for rule in _THIRD_PARTY:
                item.add_marker(pytest.mark.filterwarnings(rule))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def task_manager(mera_tasks: Path) -> TaskManager:
    register()
    return TaskManager(include_path=str(mera_tasks), include_defaults=False)


@pytest.fixture
def evaluate(task_manager: TaskManager, tmp_path: Path) -> Evaluate:
    """Run the harness in this process, as its command line does, and write its files."""

    def run(tasks: str, model_args: str = "", *, model: Any = MODEL_ID, output: str = "out", **kwargs: Any) -> Outcome:
        named = f"pretrained={LENS_TINY if model == MODEL_ID else resolve_pretrained(LENS_TINY)}"
        given = {"device": "cpu", "task_manager": task_manager, **kwargs}
        return evaluated(tmp_path / output, model, named, model_args, tasks, **given)

    return run
