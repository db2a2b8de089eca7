"""One evaluation of lm-eval with a lens: its tasks, its record folder, its records."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness_ext.recorded_run import ADVICE, ReadModel, RecordedRun
from harness_ext.recording import Documents, SampleRequest, ShownDocument, image_digest
from harness_ext.recording.choices import ChoiceRule, choice_rule
from harness_ext.run_description import RunSettings, telling_arguments
from harness_ext.task_filters import answer_filters
from harness_ext.task_objects import (
    answer_target,
    ask,
    config_value,
    metric_directions,
    metric_names,
    task_definition,
)
from lens_results.record import Key

from .tagging import TaggedRequest

if TYPE_CHECKING:
    from .model import HFMultimodalLens

__all__ = ["LensRun"]

log = logging.getLogger(__name__)

_UNTOLD = (
    "lm-eval did not tell where its results go; start it as lm-eval-lens (from Python: harness_ext.lm_eval.plugin."
    "register() first), or give lens_dir=FOLDER in --model_args"
)


class LensRun(RecordedRun):
    """Knows the tasks of an evaluation and keeps its records.

    Args:
        owner: the model.
        tasks: task name -> lm-eval's task object.
        call: the arguments of `simple_evaluate`; empty when `evaluate` was called without it.
        samples: task name -> numbers of the chosen documents (`--samples`), or None for all.
    """

    def __init__(
        self,
        owner: HFMultimodalLens,
        tasks: Mapping[str, Any],
        call: Mapping[str, Any],
        samples: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        assert owner.lens is not None
        self._owner = owner
        self._tasks = tasks
        self._chosen = {task: sorted(set(numbers)) for task, numbers in (samples or {}).items()}
        self._documents: dict[str, Documents] = {}
        self._definitions = {name: task_definition(task) for name, task in tasks.items()}
        model = ReadModel(
            owner.lens, owner.options, owner.processor, owner.name_or_path, owner.path, owner.commit, owner.rank
        )
        settings, directory = _settings(owner, tasks, call), _directory(owner, call)
        super().__init__(model, "lm-eval", settings, directory, log, advice=ADVICE if call else _UNTOLD)

    def document_number(self, task: str, position: int) -> int:
        """Number of a document in its split; lm-eval counts the chosen ones."""
        chosen = self._chosen.get(task)
        return chosen[position] if chosen else position

    def key(self, request: TaggedRequest) -> Key:
        """The record key of a request."""
        task, position, index, repeat = request.key
        return (task, self.document_number(task, position), index, repeat)

    def sample_request(self, request: TaggedRequest, prompt: str, images: Sequence[Any], kind: str) -> SampleRequest:
        """What the lens needs to know of a request; a task that cannot name its gold answer has none."""
        name, document = request.key[0], request.instance.doc
        task = self._tasks.get(name)
        question = ask(task, "doc_to_text", document)
        question = question if isinstance(question, str) else prompt
        return SampleRequest(
            key=self.key(request),
            split=config_value(task, "test_split") or config_value(task, "validation_split"),
            question=question,
            prompt=prompt,
            target=answer_target(task, name, document, question),
            image_sha256=image_digest(images),
            until=_stop_strings(_generation(request.instance)),
            kind=kind,
            images=tuple(images),
            documents=self._documents_of(name),
            filters=answer_filters(task, document),
            generation=_generation(request.instance),
            task_definition=self._definitions.get(name),
            padding=request.padding,
        )

    def choice_rule(self, request: TaggedRequest, n_tokens: Sequence[int]) -> ChoiceRule:
        """By what the task compares its choices; the harness is handed sums of log-probabilities."""
        task = self._tasks.get(request.key[0])
        choices = ask(task, "doc_to_choice", request.instance.doc)
        return choice_rule(metric_names(task), choices, n_tokens, per_token=False)

    def _documents_of(self, name: str) -> Documents | None:
        """The documents of a task; asked for once, because lm-eval processes them again on every request."""
        task = self._tasks.get(name)
        if self.controls is None or task is None:
            return None
        if name not in self._documents:
            documents = task.eval_docs
            self._documents[name] = Documents(len(documents), lambda number: self._shown(task, name, documents[number]))
        return self._documents[name]

    def _shown(self, task: Any, name: str, document: Any) -> ShownDocument:
        images = self._owner.fitted(task.doc_to_image(document) or ())
        return ShownDocument(tuple(images), answer_target(task, name, document, "").cluster)


def _generation(instance: Any) -> Mapping[str, Any]:
    """Generation arguments of a request; none of one that scores a continuation."""
    arguments = instance.args[1]
    return arguments if isinstance(arguments, Mapping) else {}


def _stop_strings(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    until = arguments.get("until")
    return (until,) if isinstance(until, str) else tuple(str(stop) for stop in until or ())


def _directory(owner: HFMultimodalLens, call: Mapping[str, Any]) -> Path | None:
    """Beside the harness's own results, which go to `<output_path>/<model name>/`."""
    if owner.options.directory is not None:
        return owner.options.directory
    tracker = call.get("evaluation_tracker")
    output = getattr(tracker, "output_path", None)
    if not output:
        return None
    if Path(output).suffix == ".json":
        return Path(output).parent
    return Path(output) / str(tracker.general_config_tracker.model_name_sanitized)  # type: ignore[union-attr]


def _settings(owner: HFMultimodalLens, tasks: Mapping[str, Any], call: Mapping[str, Any]) -> RunSettings:
    prompt = ("system_instruction", "apply_chat_template", "fewshot_as_multiturn")
    seeds = ("random_seed", "numpy_random_seed", "torch_random_seed", "fewshot_random_seed")
    return RunSettings(
        generation={name: config_value(task, "generation_kwargs") for name, task in tasks.items()},
        prompt={
            **{name: call.get(name) for name in prompt},
            "num_fewshot": {name: config_value(task, "num_fewshot") for name, task in tasks.items()},
        },
        limits={name: call.get(name) for name in ("limit", "samples", "batch_size")},
        seeds={name: call.get(name) for name in seeds},
        args={name: str(value) for name, value in owner.arguments.items() if value is not None},
        metrics={name: metric_directions(task) for name, task in tasks.items()},
        telling=telling_arguments(owner.arguments, _defaults(type(owner))),
    )


def _defaults(model: type) -> dict[str, Any]:
    """Model argument -> its default, of a class and those it hands its arguments on to."""
    found: dict[str, Any] = {}
    for each in model.__mro__:
        for name, parameter in inspect.signature(each.__init__).parameters.items():  # type: ignore[misc]
            if parameter.default is not inspect.Parameter.empty:
                found.setdefault(name, parameter.default)
    return found
