from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval import evaluator
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Evaluate, Outcome

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
        tracker = EvaluationTracker(output_path=str(tmp_path / output))
        named = f"pretrained={LENS_TINY if model == MODEL_ID else resolve_pretrained(LENS_TINY)}"
        results = evaluator.simple_evaluate(
            model=model,
            model_args=",".join(filter(None, (named, model_args))),
            device="cpu",
            tasks=tasks.split(","),
            task_manager=kwargs.pop("task_manager", task_manager),
            bootstrap_iters=0,
            evaluation_tracker=tracker,
            **{"apply_chat_template": True, "fewshot_as_multiturn": True, **kwargs},
        )
        assert results is not None
        samples = results["samples"]
        tracker.save_results_aggregated(results={k: v for k, v in results.items() if k != "samples"}, samples=samples)
        for task in results["configs"]:
            tracker.save_results_samples(task_name=task, samples=[dict(sample) for sample in samples[task]])
        return Outcome(results, tmp_path / output / str(tracker.general_config_tracker.model_name_sanitized))

    return run
