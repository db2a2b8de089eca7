from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lm_eval import evaluator
from lm_eval.loggers import EvaluationTracker
from plain_model import lens_tiny_bounds

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


def whole_and_shared(evaluate: Evaluate, argument: str, batch_size: int) -> tuple[Run, Run]:
    """A run without and one with an argument that shares work: the same texts, readouts within rounding."""
    whole, shared = (
        evaluate("ruclevr_mini", each, output=each or "whole", limit=12, batch_size=batch_size)
        for each in ("", argument)
    )
    assert shared.texts("ruclevr_mini") == whole.texts("ruclevr_mini")
    for name in ("entropy", "logprob_pred"):
        np.testing.assert_allclose(shared.run.stack(name), whole.run.stack(name), **lens_tiny_bounds(), err_msg=name)
    return whole.run, shared.run


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
