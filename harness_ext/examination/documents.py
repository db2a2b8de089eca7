"""Documents of an lmms-eval task as a run would ask them, and a question of our own for when there is no task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness_ext.lmms_eval.generation import generate_arguments
from harness_ext.lmms_eval.task_folder import register_task_folder
from harness_ext.recording import SampleRequest
from harness_ext.task_objects import answer_target, leaf_tasks
from lens_models import LoadedModel, example_inputs
from lens_models.encoding import encode_texts
from lens_models.video import DEFAULT_FRAMES
from lens_tasks import AnswerTarget

from .samples import Sample

__all__ = ["TaskError", "load_task", "probe_sample", "task_samples"]

_PROBE_TOKENS = 8


class TaskError(Exception):
    """A task is not known, or its data set cannot be loaded."""


def load_task(name: str, include_path: Path | None = None) -> Any:
    """The task object of lmms-eval; the bundled tasks and those of `include_path` are looked at first.

    Raises:
        TaskError: no such task, a group of tasks, a data set that is not at hand, or no lmms-eval.
    """
    try:
        from lmms_eval.tasks import TaskManager, get_task_dict
    except ModuleNotFoundError as error:
        raise TaskError(f"--task needs lmms-eval, which is not installed ({error}): pip install lmms-eval") from error

    register_task_folder()
    given = None if include_path is None else str(include_path)
    manager = TaskManager("ERROR", include_path=given, include_defaults=False)
    if name not in manager.all_tasks:
        manager = TaskManager("ERROR", include_path=given)  # reads every YAML file of the harness
    if name not in manager.all_tasks:
        raise TaskError(f"task {name!r} is not known to lmms-eval; `mmlens tasks --names` lists the bundled ones")
    try:
        found = dict(leaf_tasks(get_task_dict([name], manager, "chat")))
    except Exception as error:  # whatever the harness's retries and the data set's loader raise
        cause = error.__cause__ or error
        raise TaskError(f"task {name!r} cannot be loaded ({type(cause).__name__}: {cause})") from error
    if len(found) != 1:
        raise TaskError(f"{name!r} is a group; name one of its tasks: {', '.join(sorted(found)) or 'none'}")
    return next(iter(found.values()))


def task_samples(task: Any, loaded: LoadedModel, count: int) -> list[Sample]:
    """`count` documents, spread evenly over the task's split, encoded as lmms-eval's adapter encodes them.

    Raises:
        InputError: an image cannot be read, or the checkpoint has no chat template.
    """
    documents = task.eval_docs
    return [_sample(task, loaded, place, documents[place]) for place in _spread(len(documents), count)]


def _spread(n: int, count: int) -> Sequence[int]:
    count = min(n, count)
    return [place * n // count for place in range(count)]


def _sample(task: Any, loaded: LoadedModel, place: int, document: Any) -> Sample:
    from harness_ext.lmms_eval.conversation import render

    name = str(task.config.task)
    where = f"task {name}, document {place}"
    conversation = render(
        loaded.processor, task.doc_to_messages(document), where=where, max_frames=DEFAULT_FRAMES, fps=None
    )
    text = str(task.doc_to_text(document))
    generation = task.config.generation_kwargs or {"max_new_tokens": _PROBE_TOKENS}
    inputs = encode_texts(
        loaded.processor,
        [conversation.prompt],
        images=[conversation.images],
        videos=conversation.videos,
        audios=conversation.audios,
        **({"do_sample_frames": False} if conversation.videos else {}),
    )
    request = SampleRequest(
        key=(name, place, 0, 0),
        split=None,
        question=text,
        prompt=conversation.prompt,
        target=answer_target(task, name, document, text),
    )
    return Sample(
        request, _placed(inputs, loaded), generate_arguments(generation, loaded.model, loaded.tokenizer, use_cache=True)
    )


def probe_sample(loaded: LoadedModel) -> Sample:
    """The question of the identity check, answered in at most eight tokens."""
    request = SampleRequest(("probe", 0, 0, 0), None, "", "", AnswerTarget((), None))
    generation = {"max_new_tokens": _PROBE_TOKENS}
    arguments = generate_arguments(generation, loaded.model, loaded.tokenizer, use_cache=True)
    return Sample(request, _placed(example_inputs(loaded.processor), loaded), arguments)


def _placed(inputs: Any, loaded: LoadedModel) -> Any:
    return inputs.to(loaded.model.device, loaded.model.dtype)
