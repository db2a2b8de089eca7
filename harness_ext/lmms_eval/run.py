"""One evaluation of lmms-eval with a lens: its tasks, its record folder, its records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmms_eval.loggers.evaluation_tracker import GeneralConfigTracker
from lmms_eval.utils import sanitize_model_name
from loguru import logger

from harness_ext.processes import first_process, gather, share
from harness_ext.recording import LensRecorder, SampleRequest, image_digest
from harness_ext.run_description import RunSettings, describe_run
from lens_results import new_run_id
from lens_tasks import target_for

from .conversation import Conversation
from .generation import stop_strings
from .requests import HarnessRequest

if TYPE_CHECKING:
    from .model import HFMultimodalLens

__all__ = ["LensRun"]


class LensRun:
    """Knows the tasks of an evaluation and keeps its records.

    Args:
        owner: the model.
        tasks: task name -> the harness's task object.
        cli_args: the harness's command line, or None when it was called from Python.
    """

    def __init__(self, owner: HFMultimodalLens, tasks: Mapping[str, Any], cli_args: Any = None) -> None:
        assert owner.lens is not None
        self._tasks = tasks
        directory = _directory(owner, cli_args)
        info = describe_run(
            share(new_run_id()),
            owner.lens,
            owner.options.thresholds,
            name_or_path=owner.name_or_path,
            revision=owner.revision,
            harness="lmms-eval",
            settings=_settings(owner, tasks, cli_args),
        )
        self.recorder = LensRecorder(info, directory, rank=owner.rank)
        if directory is None and first_process():
            logger.warning("Lens records are not kept: give --output_path, or lens_dir=FOLDER in --model_args")

    def sample_request(
        self, request: HarnessRequest, document: Any, conversation: Conversation, kind: str
    ) -> SampleRequest:
        """What the lens needs to know of a request; a task that cannot name its gold answer has none."""
        task = self._tasks.get(request.task)
        return SampleRequest(
            key=request.key,
            split=request.split,
            question=request.context,
            prompt=conversation.prompt,
            target=target_for(
                request.task,
                document,
                prompt=request.context,
                gold=_ask(task, "doc_to_target", document),
                choices=_ask(task, "doc_to_choice", document) if _has_choices(task) else None,
            ),
            image_sha256=image_digest(conversation.images),
            until=stop_strings(request.generation),
            kind=kind,
        )

    def finish(self) -> dict[str, Path]:
        """Merge the records of all processes; every process calls it, the first one gets the files."""
        scores = gather(self.recorder.close())
        if not first_process():
            return {}
        joined = {key: values for each in scores for key, values in each.items()}
        files = self.recorder.finish(joined)
        for task, path in files.items():
            logger.info(f"Lens records of {task}: {path}")
        return files

    def abandon(self) -> None:
        """The evaluation failed: what was read stays on disk and is readable."""
        self.recorder.flush()
        if self.recorder.directory is not None and len(self.recorder):
            logger.warning(f"Lens records of {len(self.recorder)} samples so far are in {self.recorder.directory}")


def _directory(owner: HFMultimodalLens, cli_args: Any) -> Path | None:
    """Beside the harness's own results, which go to `<output_path>/<model name>/`."""
    if owner.options.directory is not None:
        return owner.options.directory
    output = getattr(cli_args, "output_path", None)
    if not output:
        return None
    name = GeneralConfigTracker._get_model_name(getattr(cli_args, "model_args", None) or "")
    return Path(output) / str(sanitize_model_name(name))


def _settings(owner: HFMultimodalLens, tasks: Mapping[str, Any], cli_args: Any) -> RunSettings:
    seeds = getattr(cli_args, "seed", None)
    return RunSettings(
        generation={name: _config(task, "generation_kwargs") for name, task in tasks.items()},
        prompt={
            "system_prompt": owner.arguments.system_prompt,
            "num_fewshot": {name: _config(task, "num_fewshot") for name, task in tasks.items()},
            "task_prompts": {name: _config(task, "lmms_eval_specific_kwargs") for name, task in tasks.items()},
        },
        limits={name: getattr(cli_args, name, None) for name in ("limit", "offset", "batch_size")},
        seeds=dict(zip(("python", "numpy", "torch", "fewshot"), seeds or (), strict=False)),
        args={name: str(value) for name, value in vars(owner.arguments).items() if value is not None},
    )


def _config(task: Any, name: str) -> Any:
    value = getattr(getattr(task, "config", None), name, None)
    return value if isinstance(value, str | int | float | bool | list | dict | type(None)) else str(value)


def _has_choices(task: Any) -> bool:
    return getattr(getattr(task, "config", None), "doc_to_choice", None) is not None


def _ask(task: Any, method: str, document: Any) -> Any:
    function: Callable[[Any], Any] | None = getattr(task, method, None)
    if function is None:
        return None
    try:
        return function(document)
    except Exception as error:  # private tasks have no gold; what a task's own code raises then is not ours to know
        logger.debug(f"{method} of {getattr(task, 'task_name', task)}: {error!r}")
        return None
