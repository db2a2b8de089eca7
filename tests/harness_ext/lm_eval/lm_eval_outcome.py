from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval import evaluator
from lm_eval.loggers import EvaluationTracker

from lens_results import Run, load


@dataclass(frozen=True)
class Outcome:
    """What one evaluation gave: the harness's results, and the folder of its files and the records."""

    results: dict[str, Any]
    folder: Path

    def texts(self, task: str) -> list[str]:
        return [sample["resps"][0][0] for sample in self.results["samples"][task]]

    def value(self, task: str, metric: str) -> Any:
        return self.results["results"][task].get(f"{metric},none")

    @property
    def run(self) -> Run:
        return load(self.folder)


Evaluate = Callable[..., Outcome]


def evaluated(folder: Path, model: Any, named: str, model_args: str, tasks: str, **given: Any) -> Outcome:
    """Run the harness in this process, as its command line does, and write its files below a folder."""
    tracker = EvaluationTracker(output_path=str(folder))
    results = evaluator.simple_evaluate(
        model=model,
        model_args=",".join(filter(None, (named, model_args))),
        tasks=tasks.split(","),
        bootstrap_iters=0,
        evaluation_tracker=tracker,
        **{"apply_chat_template": True, "fewshot_as_multiturn": True, **given},
    )
    assert results is not None
    samples = results["samples"]
    tracker.save_results_aggregated(results={k: v for k, v in results.items() if k != "samples"}, samples=samples)
    for task in results["configs"]:
        tracker.save_results_samples(task_name=task, samples=[dict(sample) for sample in samples[task]])
    return Outcome(results, folder / str(tracker.general_config_tracker.model_name_sanitized))
