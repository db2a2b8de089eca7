"""Put a lens run around lmms-eval's `evaluate`, and the lens metrics into its results.

lmms-eval 0.7 offers a model no way to add metrics. Two functions of `lmms_eval.evaluator` are wrapped instead:
`evaluate` (public), which tells the run's tasks and command line, and `_process_document_results` (private), which
scores one document. The second is replaced only while a lens model is evaluated. Both are checked by signature.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lmms_eval import evaluator
from lmms_eval.api.metrics import mean

from harness_ext.compatibility import UnsupportedHarnessError, require_function
from harness_ext.recorded_run import evaluate_recorded
from harness_ext.recording.metrics_table import numeric_scores, scores_of_filter
from harness_ext.submission.samples import noted_id
from harness_ext.task_objects import leaf_tasks, table_knows_lens_metrics

from .response_cache import RecordingCache
from .run import LensRun

__all__ = ["UnsupportedHarnessError", "install"]

_MARK = "_lens_run"
_SIGNATURES = {
    "evaluate": ("lm", "task_dict", "cli_args", "response_cache"),
    "_process_document_results": ("item", "task", "filter_key", "log_samples"),
}


def install() -> None:
    """Wrap `lmms_eval.evaluator.evaluate` once; models without a lens pass through untouched.

    Raises:
        UnsupportedHarnessError: names the function, what was expected of it and what was found.
    """
    original = evaluator.evaluate
    if getattr(original, _MARK, False):
        return
    for name, parameters in _SIGNATURES.items():
        require_function(evaluator, name, parameters, distribution="lmms-eval", tested="0.7.3")

    @functools.wraps(original)
    def evaluate(lm: Any, task_dict: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(lm, "lens", None) is None:
            return original(lm, task_dict, *args, **kwargs)
        return _evaluate_with_lens(functools.partial(original, *args), lm, task_dict, kwargs)

    setattr(evaluate, _MARK, True)
    evaluator.evaluate = evaluate


def _evaluate_with_lens(original: Callable[..., Any], lm: Any, task_dict: Any, kwargs: dict[str, Any]) -> Any:
    tasks = dict(leaf_tasks(task_dict))
    run = LensRun(lm, tasks, kwargs.get("cli_args"))
    if kwargs.get("response_cache") is not None:
        kwargs = {**kwargs, "response_cache": RecordingCache(kwargs["response_cache"], run)}
    evaluate = functools.partial(original, lm=lm, task_dict=task_dict, **kwargs)
    return evaluate_recorded(run, lm.responder, _lens_metrics(run, tasks), evaluate)


@contextmanager
def _lens_metrics(run: LensRun, tasks: Mapping[str, Any]) -> Iterator[None]:
    """While this lasts, scored documents carry the lens metrics and the tasks know how to average them."""
    original = evaluator._process_document_results
    evaluator._process_document_results = _with_lens(original, run)
    try:
        with table_knows_lens_metrics(tasks, mean):
            yield
    finally:
        evaluator._process_document_results = original


def _with_lens(original: Callable[..., Any], run: LensRun) -> Callable[..., Any]:
    """Runs in the harness's thread pool."""

    @functools.wraps(original)
    def process(item: Any, **kwargs: Any) -> Any:
        processed = original(item, **kwargs)
        task, doc_id = str(kwargs["task"].config.task), int(item[0])
        filters = item[2][0].filtered_resps if item[2] else ()
        scores = scores_of_filter(numeric_scores(processed.metrics), str(kwargs["filter_key"]), filters)
        run.recorder.add_scores(task, doc_id, scores)
        values = run.recorder.metrics(task, doc_id)
        processed.metrics.update(values)
        if processed.logged_sample is not None:
            processed.logged_sample.update(values)
            processed.logged_sample.update(noted_id(item[1]))
        return processed

    return process
