"""Put a recording around lmms-eval's `evaluate`, and the lens metrics into its results.

lmms-eval 0.7 offers a model no way to add metrics. Two functions of `lmms_eval.evaluator` are wrapped instead:
`evaluate` (public), which has the run's tasks and command line, and `_process_document_results` (private), which
scores one document. The second is replaced only while a lens model is evaluated. Both are checked by signature.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lmms_eval import evaluator
from lmms_eval.api.metrics import mean
from lmms_eval.loggers.evaluation_tracker import GeneralConfigTracker
from lmms_eval.utils import sanitize_model_name
from loguru import logger

from harness_ext.evaluation import evaluate_recorded, run_settings, scored_document
from harness_ext.lmms_eval.judged import judged_alone
from harness_ext.submission.samples import noted_id
from harness_ext.tasks import Tasks, compares_with_nothing, config_value, leaf_tasks
from harness_ext.wrapping import require_function, wrap
from lens_engine import Recording, lens_recording
from lens_engine.description import RunSettings
from lens_models.shadowing import shadowed

__all__ = ["install"]

_SIGNATURES = {
    "evaluate": ("lm", "task_dict", "cli_args", "response_cache"),
    "_process_document_results": ("item", "task", "filter_key", "log_samples"),
}


def install() -> None:
    """Wrap `lmms_eval.evaluator.evaluate` once; models without a lens pass through untouched.

    Raises:
        UnsupportedHarnessError: names the function, what was expected of it and what was found.
    """
    for name, parameters in _SIGNATURES.items():
        require_function(evaluator, name, parameters, distribution="lmms-eval", tested="0.7.3")
    wrap(evaluator, "evaluate", _with_lens)


def _with_lens(original: Callable[..., Any]) -> Callable[..., Any]:
    def evaluate(lm: Any, task_dict: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(lm, "lens", None) is None:
            return original(lm, task_dict, *args, **kwargs)
        return _evaluate_with_lens(functools.partial(original, *args), lm, task_dict, kwargs)

    return evaluate


def _evaluate_with_lens(original: Callable[..., Any], lm: Any, task_dict: Any, kwargs: dict[str, Any]) -> Any:
    tasks = dict(leaf_tasks(task_dict))
    cli_args = kwargs.get("cli_args")
    settings, directory = _settings(lm, tasks, cli_args), _directory(lm, cli_args)
    recording = lens_recording(
        lm.opened.engine, lm.opened.model_of_run, lm.tokenizer, "lmms-eval", settings, directory, logger
    )
    cache = kwargs.get("response_cache")
    if cache is not None:
        # the harness's own cache is not asked for what the lens reads: its keys lack most of what makes an answer
        kwargs = {**kwargs, "response_cache": _Passing(cache)}
        if (root := getattr(cache, "_cache_root", None)) is not None:
            recording.keep_cache(Path(root) / "lens")
    evaluate = functools.partial(original, lm=lm, task_dict=task_dict, **kwargs)
    scoring = shadowed(evaluator, _process_document_results=_scoring(evaluator._process_document_results, recording))
    with shadowed(lm, tasks=Tasks(tasks)):
        return evaluate_recorded(lm.opened.session, recording, tasks, scoring, evaluate, mean=mean)


class _Passing:
    """Stands in front of the harness's response cache and puts every request to the model."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def execute(self, lm: Any, request_type: str, instances: list[Any]) -> list[Any]:
        """Answers in order."""
        return list(getattr(lm, request_type)(instances))


def _scoring(original: Callable[..., Any], recording: Recording) -> Callable[..., Any]:
    """The harness's scoring of a document with the lens metrics in what it gives; runs in the harness's thread pool."""

    @functools.wraps(original)
    def process(item: Any, **kwargs: Any) -> Any:
        processed = original(item, **kwargs)
        filters = item[2][0].filtered_resps if item[2] else ()
        task, doc_id = str(kwargs["task"].config.task), int(item[0])
        metrics = {**processed.metrics, **judged_alone(kwargs["task"], processed.metrics)}
        if compares_with_nothing(kwargs["task"], item[1]):
            metrics = {}
        values = scored_document(recording, task, doc_id, metrics, str(kwargs["filter_key"]), filters)
        processed.metrics.update(values)
        if processed.logged_sample is not None:
            processed.logged_sample.update(values)
            processed.logged_sample.update(noted_id(item[1]))
        return processed

    return process


def _directory(lm: Any, cli_args: Any) -> Path | None:
    """Folder of the records: the user's, else beside the harness's own results, `<output_path>/<model name>/`."""
    output = getattr(cli_args, "output_path", None)
    if lm.options.directory is not None or not output:
        return lm.options.directory  # type: ignore[no-any-return]
    name = GeneralConfigTracker._get_model_name(getattr(cli_args, "model_args", None) or "")
    return Path(output) / str(sanitize_model_name(name))


def _settings(lm: Any, tasks: Mapping[str, Any], cli_args: Any) -> RunSettings:
    texts = {name: config_value(task, "lmms_eval_specific_kwargs") for name, task in tasks.items()}
    return run_settings(
        tasks,
        vars(lm.arguments),
        lm.argument_defaults,
        prompt={"system_prompt": lm.arguments.system_prompt, "task_prompts": texts},
        limits={name: getattr(cli_args, name, None) for name in ("limit", "offset", "batch_size")},
        seeds=dict(zip(("python", "numpy", "torch", "fewshot"), getattr(cli_args, "seed", None) or (), strict=False)),
    )
