"""Put a recording around lm-eval's evaluation, and the lens metrics into its results.

lm-eval offers a model no way to add metrics, and `evaluate` does not know where results go and how it was called. Two
public functions of `lm_eval.evaluator` are wrapped: `simple_evaluate` remembers its arguments, `evaluate` runs with the
lens. While a lens model is evaluated, and only then, each task's public `doc_iterator` says which document is being
scored and its `process_results` adds that document's values.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

from lm_eval import evaluator
from lm_eval.api.metrics import mean
from lm_eval.api.model import CachingLM

from harness_ext.evaluation import evaluate_recorded, require_function, run_settings, scored_document
from harness_ext.tasks import Tasks, config_value, leaf_tasks, shadowed, table_knows_lens_metrics
from lens_engine import Recording
from lens_engine.description import ReadModel, RunSettings
from lens_engine.recording import ADVICE
from lens_models import LENS_TINY, InputError
from lens_models.encoding import UNREADABLE

from .cache import RecordingCache
from .repairs import repaired
from .samples import SampleMaker

__all__ = ["install"]

log = logging.getLogger(__name__)

_MARK = "_lens_run"
_SIGNATURES = {
    "simple_evaluate": ("model", "model_args", "evaluation_tracker"),
    "evaluate": ("lm", "task_dict", "samples"),
}
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
        chosen = {task: sorted(set(numbers)) for task, numbers in (samples or {}).items()}
        nested = task_dict.get("tasks", task_dict)
        tasks = {name: task for name, task in leaf_tasks(nested) if _read_by_lens(task)}
        maker = replace(model.maker, tasks=Tasks(tasks), chosen=chosen, documents={})
        recording = _recording(model, tasks)
        recorded = lm if lm is model else RecordingCache(lm, recording)
        harness = functools.partial(original, recorded, task_dict, *args, **kwargs)
        with shadowed(model, maker=maker):
            return evaluate_recorded(model.session, recording, _lens_metrics(recording, maker), harness)

    return evaluate


def _read_by_lens(task: Any) -> bool:
    """Whether the lens reads a task's requests: generated answers, and multiple choice with images."""
    return bool(task.OUTPUT_TYPE == "generate_until") or (
        task.OUTPUT_TYPE in ("multiple_choice", "loglikelihood") and bool(config_value(task, "doc_to_image"))
    )


@contextmanager
def _lens_metrics(recording: Recording, maker: SampleMaker) -> Iterator[None]:
    """While this lasts, scored documents carry the lens metrics and the tasks know how to average them."""
    tasks = maker.tasks.objects
    with ExitStack() as stack:
        stack.enter_context(table_knows_lens_metrics(tasks, mean))
        for name, task in tasks.items():
            stack.enter_context(_scoring_with_lens(recording, maker, name, task))
        stack.enter_context(repaired())
        yield


@contextmanager
def _scoring_with_lens(recording: Recording, maker: SampleMaker, name: str, task: Any) -> Iterator[None]:
    """While this lasts, the task's scored documents carry the lens metrics.

    The harness walks `doc_iterator` once for each of the task's filters and calls `process_results` for each document
    in turn, so the iterator knows which filter and which document is scored.
    """
    current: list[int] = [0]
    filters: list[str] = []
    walks = 0

    def doc_iterator(*args: Any, **kwargs: Any) -> Iterator[tuple[int, Any]]:
        nonlocal walks
        instances = getattr(task, "instances", None) or ()
        # the harness walks the documents to ask, when no answer is filtered yet, and then to score each filter
        filters[:] = [str(each) for each in instances[0].filtered_resps] if instances else []
        walks += bool(filters)
        documents = task_iterator(*args, **kwargs)
        last: int | None = None
        while True:
            try:
                position, document = next(documents)
            except StopIteration:
                return
            except UNREADABLE as error:  # the data set decodes a document's images here
                place = "the first document" if last is None else f"the document after {last}"
                raise InputError(f"task {name}, {place}: it cannot be read ({error}); check or remove it") from error
            last = current[0] = maker.doc_id(name, position)
            yield position, document

    def process_results(document: Any, results: Any) -> dict[str, Any]:
        metrics = dict(task_process(document, results))
        scores = {key: value for key, value in metrics.items() if key != _PLACEHOLDER_METRIC}
        chosen = filters[(walks - 1) % len(filters)] if filters else ""
        return {**metrics, **scored_document(recording, name, current[0], scores, chosen, filters)}

    task_iterator: Callable[..., Iterator[tuple[int, Any]]] = task.doc_iterator
    task_process: Callable[..., Any] = task.process_results
    with shadowed(task, doc_iterator=doc_iterator, process_results=process_results):
        yield


def _recording(model: Any, tasks: Mapping[str, Any]) -> Recording:
    call = _call.get()
    read = ReadModel(
        model.lens, model.options, model.processor, model.name_or_path, model.path, model.commit, model.rank
    )
    settings, advice = _settings(model, tasks, call), ADVICE if call else _UNTOLD
    return Recording(
        model.session.engine, read, model.tokenizer, "lm-eval", settings, _directory(model, call), log, advice=advice
    )


def _directory(model: Any, call: Mapping[str, Any]) -> Path | None:
    """Folder of the records: the user's, else beside the harness's own results, `<output_path>/<model name>/`."""
    tracker = call.get("evaluation_tracker")
    output = getattr(tracker, "output_path", None)
    if model.options.directory is not None or not output:
        return model.options.directory  # type: ignore[no-any-return]
    if Path(output).suffix == ".json":
        return Path(output).parent
    return Path(output) / str(tracker.general_config_tracker.model_name_sanitized)  # type: ignore[union-attr]


def _settings(model: Any, tasks: Mapping[str, Any], call: Mapping[str, Any]) -> RunSettings:
    def named(*names: str) -> dict[str, Any]:
        return {name: call.get(name) for name in names}

    return run_settings(
        tasks,
        model.arguments,
        _defaults(type(model)),
        prompt=named("system_instruction", "apply_chat_template", "fewshot_as_multiturn"),
        limits=named("limit", "samples", "batch_size"),
        seeds=named("random_seed", "numpy_random_seed", "torch_random_seed", "fewshot_random_seed"),
    )


def _defaults(model: type) -> dict[str, Any]:
    """Model argument -> its default, of a class and those it hands its arguments on to."""
    found: dict[str, Any] = {}
    for each in model.__mro__:
        for name, parameter in inspect.signature(each.__init__).parameters.items():  # type: ignore[misc]
            if parameter.default is not inspect.Parameter.empty:
                found.setdefault(name, parameter.default)
    return found
