"""What both adapters put around a harness's evaluation: records are kept, scores and lens metrics are joined."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import Any

from harness_ext.tasks import config_value, metric_directions, table_knows_lens_metrics
from harness_ext.tracking import log_figures
from lens_engine import Recording, Session
from lens_engine.description import RunSettings
from lens_engine.table import numeric_scores, scores_of_filter

__all__ = ["evaluate_recorded", "run_settings", "scored_document"]


def evaluate_recorded(
    session: Session,
    recording: Recording,
    tasks: Mapping[str, Any],
    scoring: AbstractContextManager[None],
    evaluate: Callable[[], Any],
    *,
    mean: Callable[..., float],
) -> Any:
    """What a harness's `evaluate` returns, with the lens metrics and the files of the run's records in it.

    Args:
        session: puts the requests of the model to its engine.
        recording: takes the records while the evaluation lasts.
        tasks: name -> task object, of the tasks that the lens reads.
        scoring: the harness's scoring of documents adds their lens metrics.
        evaluate: the harness's function, with its arguments.
        mean: the harness's average, for the lens metrics.
    """
    with session.recorded(recording), table_knows_lens_metrics(tasks, mean), scoring:
        results = evaluate()
    files = recording.finish()
    if results is not None:
        log_figures(files, recording.log.warning)
        run_id = recording.recorder.run_info.run_id
        results["lens"] = {"run_id": run_id, "records": {task: str(file) for task, file in files.items()}}
        if recording.recorder.refusal:
            results["lens"]["error"] = recording.recorder.refusal
    return results


def scored_document(
    recording: Recording, task: str, doc_id: int, metrics: Mapping[str, Any], chosen: str, filters: Collection[str]
) -> dict[str, float]:
    """Keep the harness's scores of a document beside its record; the lens metrics of the document.

    Args:
        recording: of the evaluation.
        task, doc_id: the document.
        metrics: what the task's scoring gave.
        chosen: the filter whose answers were scored.
        filters: all filters of the task.
    """
    recorder = recording.recorder
    recorder.add_scores(task, doc_id, scores_of_filter(numeric_scores(metrics), chosen, filters))
    return recorder.metrics(task, doc_id)


def run_settings(
    tasks: Mapping[str, Any],
    arguments: Mapping[str, Any],
    defaults: Mapping[str, Any],
    *,
    prompt: Mapping[str, Any],
    limits: Mapping[str, Any],
    seeds: Mapping[str, Any],
) -> RunSettings:
    """The settings of a run, for its description and its fingerprint.

    Args:
        tasks: name -> task object.
        arguments: the model's arguments.
        defaults: what they are when nobody names them.
        prompt: what is put around the tasks' own prompts.
        limits: which documents are asked.
        seeds: of the random numbers.
    """
    return RunSettings.of(
        arguments,
        defaults,
        generation={name: config_value(task, "generation_kwargs") for name, task in tasks.items()},
        prompt={**prompt, "num_fewshot": {name: config_value(task, "num_fewshot") for name, task in tasks.items()}},
        limits=limits,
        seeds=seeds,
        metrics={name: metric_directions(task) for name, task in tasks.items()},
    )
