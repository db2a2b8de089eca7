"""One evaluation of lmms-eval with a lens: its tasks, its record folder, its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmms_eval.loggers.evaluation_tracker import GeneralConfigTracker
from lmms_eval.utils import sanitize_model_name
from loguru import logger

from harness_ext.recorded_run import ReadModel, RecordedRun
from harness_ext.recording import Documents, SampleRequest, image_digest, media_digest
from harness_ext.recording.choices import ChoiceRule, choice_rule
from harness_ext.run_description import RunSettings, telling_arguments
from harness_ext.task_filters import answer_filters
from harness_ext.task_objects import answer_target, ask, config_value, metric_directions, metric_names, task_definition
from lens_models.loading import resolve_pretrained
from lens_tasks import AnswerTarget

from .arguments import ModelArguments
from .conversation import Conversation
from .requests import HarnessRequest

if TYPE_CHECKING:
    from .model import HFMultimodalLens

__all__ = ["LensRun"]


class LensRun(RecordedRun):
    """Knows the tasks of an evaluation and keeps its records.

    Args:
        owner: the model.
        tasks: task name -> the harness's task object.
        cli_args: the harness's command line, or None when it was called from Python.
    """

    def __init__(self, owner: HFMultimodalLens, tasks: Mapping[str, Any], cli_args: Any = None) -> None:
        assert owner.lens is not None
        self._tasks = tasks
        self._definitions = {name: task_definition(task) for name, task in tasks.items()}
        path = resolve_pretrained(owner.name_or_path)
        model = ReadModel(
            owner.lens, owner.options, owner.processor, owner.name_or_path, path, owner.revision, owner.rank
        )
        settings, directory = _settings(owner, tasks, cli_args), _directory(owner, cli_args)
        super().__init__(model, "lmms-eval", settings, directory, logger)

    def sample_request(
        self, request: HarnessRequest, document: Any, conversation: Conversation, kind: str, documents: Documents
    ) -> SampleRequest:
        """What the lens needs to know of a request; a task that cannot name its gold answer has none."""
        media = {"video": conversation.videos, "audio": conversation.audios}
        return SampleRequest(
            key=request.key,
            split=request.split,
            question=request.context,
            prompt=conversation.prompt,
            target=self.target(request, document),
            image_sha256=image_digest(conversation.images),
            kind=kind,
            images=conversation.images,
            other_media=" and ".join(name for name, found in media.items() if found) or None,
            documents=documents,
            filters=answer_filters(self._tasks.get(request.task), document),
            media_sha256=media_digest([*conversation.videos, *conversation.audios]),
            generation=request.generation,
            task_definition=self._definitions.get(request.task),
            padding=request.padding,
        )

    def choice_rule(self, request: HarnessRequest, document: Any, n_tokens: Sequence[int]) -> ChoiceRule:
        """By what the task compares its choices; the harness is handed mean losses."""
        task = self._tasks.get(request.task)
        choices = ask(task, "doc_to_choice", document)
        return choice_rule(metric_names(task), choices, n_tokens, per_token=True)

    def target(self, request: HarnessRequest, document: Any) -> AnswerTarget:
        """The candidates, gold answer and cluster of a document of the request's task."""
        return answer_target(self._tasks.get(request.task), request.task, document, request.context)


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
        generation={name: config_value(task, "generation_kwargs") for name, task in tasks.items()},
        prompt={
            "system_prompt": owner.arguments.system_prompt,
            "num_fewshot": {name: config_value(task, "num_fewshot") for name, task in tasks.items()},
            "task_prompts": {name: config_value(task, "lmms_eval_specific_kwargs") for name, task in tasks.items()},
        },
        limits={name: getattr(cli_args, name, None) for name in ("limit", "offset", "batch_size")},
        seeds=dict(zip(("python", "numpy", "torch", "fewshot"), seeds or (), strict=False)),
        args={name: str(value) for name, value in vars(owner.arguments).items() if value is not None},
        metrics={name: metric_directions(task) for name, task in tasks.items()},
        telling=telling_arguments(vars(owner.arguments), {each.name: each.default for each in fields(ModelArguments)}),
    )
