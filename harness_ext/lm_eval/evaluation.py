"""Put a recording around lm-eval's evaluation, and the lens metrics into its results.

lm-eval offers a model no way to add metrics, and `evaluate` does not know where results go and how it was called. Two
public functions of `lm_eval.evaluator` are wrapped: `simple_evaluate` remembers its arguments, `evaluate` runs with the
lens. While a lens model is evaluated, and only then, each task's public `doc_iterator` says which document is being
scored and its `process_results` adds that document's values.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

from lm_eval import evaluator
from lm_eval.api import model as lm_eval_model
from lm_eval.api.metrics import mean

from harness_ext.evaluation import evaluate_recorded, run_settings, scored_document
from harness_ext.tasks import Tasks, compares_with_nothing, config_value, leaf_tasks
from harness_ext.wrapping import require_function, wrap
from lens_engine import Recording
from lens_engine.description import RunSettings, argument_defaults
from lens_engine.recording import ADVICE
from lens_models import LENS_TINY, InputError, LensArgumentError
from lens_models.encoding import UNREADABLE
from lens_models.shadowing import shadowed

from .cache import records_beside
from .repairs import repaired
from .samples import LmEvalSamples

__all__ = ["install"]

log = logging.getLogger(__name__)

_SIGNATURES = (
    (evaluator, "simple_evaluate", ("model", "model_args", "evaluation_tracker")),
    (evaluator, "evaluate", ("lm", "task_dict", "samples")),
    (lm_eval_model, "hash_args", ("attr", "args")),
)
_PLACEHOLDER_METRIC = "bypass"  # what --predict_only puts in the place of a task's metrics
_UNTOLD = (
    "lm-eval did not tell where its results go; start it as lm-eval-lens (from Python: harness_ext.lm_eval.plugin."
    "register() first), or give lens_dir=FOLDER in --model_args"
)
_call: ContextVar[Mapping[str, Any]] = ContextVar("lens_simple_evaluate", default={})  # noqa: B039  # never mutated


def install() -> None:
    """Wrap `lm_eval.evaluator`'s two functions once; models without a lens pass through untouched.

    Raises:
        UnsupportedHarnessError: names the function, what was expected of it and what was found.
    """
    for module, name, parameters in _SIGNATURES:
        require_function(module, name, parameters, distribution="lm-eval", tested="0.4.9 or 0.4.13")
    wrap(evaluator, "simple_evaluate", _remembering_its_call)
    wrap(evaluator, "evaluate", _with_lens)


def _remembering_its_call(original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(inspect.unwrap(original))

    def simple_evaluate(*args: Any, **kwargs: Any) -> Any:
        call = signature.bind(*args, **kwargs)
        if call.arguments.get("model") in ("hf-multimodal-lens", "vllm-multimodal-lens"):
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

    def evaluate(lm: Any, task_dict: Any, *args: Any, **kwargs: Any) -> Any:
        cached = isinstance(lm, lm_eval_model.CachingLM)
        model = lm.lm if cached else lm
        harness = functools.partial(original, lm, task_dict, *args, **kwargs)
        if not getattr(model, "records", False):
            return harness()
        if cached and model.arguments.get("tp_plan") is not None:
            raise LensArgumentError(
                "--use_cache with tp_plan: an answer that one process finds and another does not would stop both for "
                "ever. Run without --use_cache, or with parallelize=True in place of tp_plan"
            )
        samples = signature.bind(lm, task_dict, *args, **kwargs).arguments.get("samples")
        chosen = {task: sorted(set(numbers)) for task, numbers in (samples or {}).items()}
        nested = task_dict.get("tasks", task_dict)
        tasks = {name: task for name, task in leaf_tasks(nested) if _read_by_lens(task)}
        maker = replace(model.maker, tasks=Tasks(tasks), chosen=chosen)
        recording = _recording(model, tasks)
        with ExitStack() as stack:
            stack.enter_context(shadowed(model, maker=maker))
            if cached:
                stack.enter_context(records_beside(lm, recording))
            scoring = _scoring(recording, maker)
            results = evaluate_recorded(model.session, recording, tasks, scoring, harness, mean=mean)
        if model.process:  # the same results as in the first one: lm-eval writes those of rank 0
            model._rank = model.process
            return None
        return results

    return evaluate


def _read_by_lens(task: Any) -> bool:
    """Whether the lens reads a task's requests: generated answers, and multiple choice with images."""
    return bool(task.OUTPUT_TYPE == "generate_until") or (
        task.OUTPUT_TYPE in ("multiple_choice", "loglikelihood") and bool(config_value(task, "doc_to_image"))
    )


@contextmanager
def _scoring(recording: Recording, maker: LmEvalSamples) -> Iterator[None]:
    """While this lasts, scored documents carry the lens metrics."""
    with ExitStack() as stack:
        for name, task in maker.tasks.objects.items():
            stack.enter_context(_scoring_of(recording, maker, name, task))
        stack.enter_context(repaired())
        yield


@contextmanager
def _scoring_of(recording: Recording, maker: LmEvalSamples, name: str, task: Any) -> Iterator[None]:
    """While this lasts, the task's scored documents carry the lens metrics.

    The harness walks `doc_iterator` to ask, when no answer is filtered yet, and then once for each of the task's
    filters, and calls `process_results` for each document in turn: so the iterator knows what is scored.
    """
    doc_id, chosen, filters = 0, "", ()  # type: tuple[int, str, tuple[str, ...]]
    scorings = itertools.count()

    def doc_iterator(*args: Any, **kwargs: Any) -> Iterator[tuple[int, Any]]:
        nonlocal doc_id, chosen, filters
        instances = getattr(task, "instances", None) or ()
        filters = tuple(str(each) for each in instances[0].filtered_resps) if instances else ()
        chosen = filters[next(scorings) % len(filters)] if filters else ""
        place = "the first document"
        try:
            for position, document in documents(*args, **kwargs):
                doc_id = maker.doc_id(name, position)
                place = f"the document after {doc_id}"
                yield position, document
        except UNREADABLE as error:  # the data set decodes a document's images here
            raise InputError(f"task {name}, {place}: it cannot be read ({error}); check or remove it") from error

    def process_results(document: Any, results: Any) -> dict[str, Any]:
        metrics = dict(score(document, results))
        nothing = compares_with_nothing(task, document)
        own = {} if nothing else {key: value for key, value in metrics.items() if key != _PLACEHOLDER_METRIC}
        return {**metrics, **scored_document(recording, name, doc_id, own, chosen, filters)}

    documents: Callable[..., Any] = task.doc_iterator
    score: Callable[..., Any] = task.process_results
    with shadowed(task, doc_iterator=doc_iterator, process_results=process_results):
        yield


def _recording(model: Any, tasks: Mapping[str, Any]) -> Recording:
    call = _call.get()
    settings, advice = _settings(model, tasks, call), ADVICE if call else _UNTOLD
    directory = _directory(model.options.directory, call.get("evaluation_tracker"))
    return model.new_recording(settings, directory, log, advice)  # type: ignore[no-any-return]


def _directory(named: Path | None, tracker: Any) -> Path | None:
    """Folder of the records: the user's, else beside the harness's own results, `<output_path>/<model name>/`."""
    output = getattr(tracker, "output_path", None)
    if named is not None or not output:
        return named
    if Path(output).suffix == ".json":
        return Path(output).parent
    return Path(output) / str(tracker.general_config_tracker.model_name_sanitized)


def _settings(model: Any, tasks: Mapping[str, Any], call: Mapping[str, Any]) -> RunSettings:
    def named(*names: str) -> dict[str, Any]:
        return {name: call.get(name) for name in names}

    return run_settings(
        tasks,
        model.arguments,
        argument_defaults(type(model)),
        prompt=named("system_instruction", "apply_chat_template", "fewshot_as_multiturn"),
        limits=named("limit", "samples", "batch_size"),
        seeds=named("random_seed", "numpy_random_seed", "torch_random_seed", "fewshot_random_seed"),
    )
