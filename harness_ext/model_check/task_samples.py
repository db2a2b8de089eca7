"""Documents of an lmms-eval task as a run would ask them, and a question of our own for when there is no task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness_ext.tasks import Tasks, leaf_tasks
from lens_engine import Request, Sample
from lens_engine.model_arguments import ModelArguments
from lens_engine.prompts import ProcessorPrompts
from lens_models import LoadedModel, example_inputs
from lens_models.nearest import did_you_mean

__all__ = ["ExamplePrompts", "TaskError", "example_sample", "load_task", "spread", "task_requests", "task_samples"]

_EXAMPLE_TOKENS = 8


class TaskError(Exception):
    """A task is not known, or its data set cannot be loaded."""


def load_task(name: str, include_path: Path | None = None) -> Any:
    """The task object of lmms-eval; the bundled tasks and those of `include_path` are looked at first.

    Raises:
        TaskError: no such task, a group of tasks, a data set that is not at hand, or no lmms-eval.
    """
    try:
        import lmms_eval.models  # noqa: F401  # it loads the plugin by its entry point, which must not be half imported
        from lmms_eval.tasks import TaskManager, get_task_dict

        from harness_ext.lmms_eval.plugin import register_tasks
    except ModuleNotFoundError as error:
        raise TaskError(f"--task needs lmms-eval, which is not installed ({error}): pip install lmms-eval") from error

    register_tasks()
    given = None if include_path is None else str(include_path)
    manager = TaskManager("ERROR", include_path=given, include_defaults=False)
    if name not in manager.all_tasks:
        manager = TaskManager("ERROR", include_path=given)  # reads every YAML file of the harness
    if name not in manager.all_tasks:
        hint = did_you_mean(name, manager.all_tasks)
        raise TaskError(
            f"task {name!r} is not known to lmms-eval; `mmlens tasks --names` lists the bundled ones.{hint}"
        )
    try:
        found = dict(leaf_tasks(get_task_dict([name], manager, "chat")))
    except Exception as error:  # whatever the harness's retries and the data set's loader raise
        cause = error.__cause__ or error
        raise TaskError(f"task {name!r} cannot be loaded ({type(cause).__name__}: {cause})") from error
    if len(found) != 1:
        raise TaskError(f"{name!r} is a group; name one of its tasks: {', '.join(sorted(found)) or 'none'}")
    return next(iter(found.values()))


def task_samples(task: Any, loaded: LoadedModel, count: int) -> list[Sample]:
    """`count` documents, spread evenly over the task's split, as lmms-eval's adapter makes them.

    Raises:
        InputError: an image cannot be read, or the checkpoint has no chat template.
    """
    return [request.sample() for request in task_requests(task, loaded, count)]


def task_requests(task: Any, loaded: LoadedModel, count: int) -> list[Request]:
    """The same documents, each opened when its turn comes."""
    from harness_ext.lmms_eval.samples import LmmsEvalSamples
    from harness_ext.samples import HarnessRequest

    name, documents = str(task.config.task), task.eval_docs
    maker = LmmsEvalSamples(loaded.processor, ModelArguments(), {name: {"": documents}}, Tasks({name: task}))
    generation = task.config.generation_kwargs or {"max_new_tokens": _EXAMPLE_TOKENS}
    requests = [
        HarnessRequest(
            (name, place, 0, 0),
            str(task.doc_to_text(documents[place])),
            "",
            generation,
            messages=task.doc_to_messages,
        )
        for place in spread(len(documents), count)
    ]
    return [maker.request(request) for request in requests]


def spread(n: int, count: int) -> Sequence[int]:
    """`count` places out of n at equal distances; all, where there are no more."""
    count = min(n, count)
    return [place * n // count for place in range(count)]


def example_sample() -> Sample:
    """The question of the identity check, answered in at most eight tokens; `ExamplePrompts` encodes it."""
    return Sample(("example", 0, 0, 0), "", generation={"max_new_tokens": _EXAMPLE_TOKENS})


class ExamplePrompts(ProcessorPrompts):
    """Puts the input of the identity check to a model, whatever the sample."""

    def _encode(self, samples: Sequence[Sample]) -> Any:
        return example_inputs(self._processor).to(self._model.device, self._model.dtype)
