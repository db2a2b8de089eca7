"""Put a lens run around lm-eval's evaluation, and the lens metrics into its results.

lm-eval offers a model no way to add metrics, and tells `evaluate` neither where results go nor how it was called. Two
public functions of `lm_eval.evaluator` are wrapped: `simple_evaluate` remembers its arguments, `evaluate` runs with the
lens. While a lens model is evaluated, and only then, each task's public `doc_iterator` says which document is being
scored and its `process_results` adds that document's values.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from lm_eval import evaluator
from lm_eval.api.metrics import mean
from lm_eval.api.model import CachingLM

from harness_ext.compatibility import require_function
from harness_ext.recorded_run import evaluate_recorded
from harness_ext.task_objects import leaf_tasks, table_knows_lens_metrics
from lens_models import LENS_TINY

from .cache import RecordingCache
from .repairs import repaired
from .run import LensRun
from .scoring import read_by_lens, scoring_with_lens

__all__ = ["install"]

_MARK = "_lens_run"
_SIGNATURES = {
    "simple_evaluate": ("model", "model_args", "evaluation_tracker"),
    "evaluate": ("lm", "task_dict", "samples"),
}
_call: ContextVar[Mapping[str, Any]] = ContextVar("lens_simple_evaluate", default={})  # noqa: B039  # never mutated


def install() -> None:
    """Wrap `lm_eval.evaluator`'s two functions once; models without a lens pass through untouched.

    Raises:
        UnsupportedHarnessError: names the function, what was expected of it and what was found.
    """
    if getattr(evaluator.evaluate, _MARK, False):
        return
    for name, parameters in _SIGNATURES.items():
        require_function(evaluator, name, parameters, distribution="lm-eval", tested="0.4.9 or 0.4.13")
    evaluator.simple_evaluate = _remembering_its_call(evaluator.simple_evaluate)
    evaluator.evaluate = _with_lens(evaluator.evaluate)
    setattr(evaluator.evaluate, _MARK, True)


def _remembering_its_call(original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(inspect.unwrap(original))

    @functools.wraps(original)
    def simple_evaluate(*args: Any, **kwargs: Any) -> Any:
        call = signature.bind(*args, **kwargs)
        if call.arguments.get("model") == "hf-multimodal-lens":
            call.arguments["model_args"] = _with_default_checkpoint(call.arguments.get("model_args"))
        token = _call.set({name: value for name, value in call.arguments.items() if name != "model"})
        try:
            return original(*call.args, **call.kwargs)
        finally:
            _call.reset(token)

    return simple_evaluate


def _with_default_checkpoint(model_args: Any) -> Any:
    """Name the bundled model where none is named: lm-eval calls the results' folder after `pretrained`."""
    if isinstance(model_args, Mapping):
        return {"pretrained": LENS_TINY, **model_args}
    text = str(model_args or "")
    return text if "pretrained=" in text else ",".join(filter(None, (f"pretrained={LENS_TINY}", text)))


def _with_lens(original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(inspect.unwrap(original))

    @functools.wraps(original)
    def evaluate(lm: Any, task_dict: Any, *args: Any, **kwargs: Any) -> Any:
        model = lm.lm if isinstance(lm, CachingLM) else lm
        if getattr(model, "lens", None) is None:
            return original(lm, task_dict, *args, **kwargs)
        samples = signature.bind(lm, task_dict, *args, **kwargs).arguments.get("samples")
        nested = task_dict.get("tasks", task_dict)
        tasks = {name: task for name, task in leaf_tasks(nested) if read_by_lens(task)}
        run = LensRun(model, tasks, _call.get(), samples)
        recording = lm if lm is model else RecordingCache(lm, run)
        harness = functools.partial(original, recording, task_dict, *args, **kwargs)
        return evaluate_recorded(run, model, _lens_metrics(run, tasks), harness)

    return evaluate


@contextmanager
def _lens_metrics(run: LensRun, tasks: Mapping[str, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(table_knows_lens_metrics(tasks, mean))
        for name, task in tasks.items():
            stack.enter_context(scoring_with_lens(run, name, task))
        stack.enter_context(repaired())
        yield
