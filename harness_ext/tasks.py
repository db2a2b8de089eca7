"""The harnesses' task objects: both lay them out alike, because one began as a copy of the other."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from lens_engine.choices import ChoiceRule, choice_rule
from lens_engine.sample import Reference
from lens_engine.table import METRIC_NAMES, higher_is_better
from lens_models.shadowing import shadowed
from lens_results.fingerprint import digest_of
from lens_tasks import AnswerTarget, target_for
from lens_tasks.answers import Filters
from lens_tasks.documents import turn_of
from lens_tasks.gold import gold_texts_of
from lens_tasks.regions import BoxError, Regions, regions_of

__all__ = [
    "Tasks",
    "answer_filters",
    "answer_target",
    "ask",
    "compares_with_nothing",
    "config_value",
    "leaf_tasks",
    "metric_directions",
    "metric_names",
    "table_knows_lens_metrics",
    "task_definition",
]

log = logging.getLogger(__name__)


def leaf_tasks(task_dict: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Task name -> task object out of a harness's nested groups."""
    for name, task in task_dict.items():
        if isinstance(task, tuple):
            task = task[1]
        if isinstance(task, Mapping):
            yield from leaf_tasks(task)
        elif task is not None:
            yield str(getattr(task.config, "task", None) or name), task


def config_value(task: Any, name: str) -> Any:
    """An entry of a task's configuration as a JSON value; None where there is none."""
    value = getattr(getattr(task, "config", None), name, None)
    return value if isinstance(value, str | int | float | bool | list | dict | type(None)) else str(value)


def metric_names(task: Any) -> tuple[str, ...]:
    """The metrics that a task's table shows, in the task's order; empty when it does not say."""
    found = ask(task, "aggregation")
    return tuple(str(name) for name in found) if isinstance(found, Mapping) else ()


def metric_directions(task: Any) -> dict[str, bool | None]:
    """The metrics of a task's table, in the task's order, and whether higher values are better (None: not said)."""
    given = ask(task, "higher_is_better")
    directions = given if isinstance(given, Mapping) else {}
    found = {name: directions.get(name) for name in metric_names(task)}
    own = {name: value for name, value in found.items() if name not in METRIC_NAMES}
    return {name: value if isinstance(value, bool) else None for name, value in own.items()}


_DEFINING = ("output_type", "filter_list", "metric_list", "process_results", "doc_to_target", "doc_to_choice")


def task_definition(task: Any) -> str:
    """Digest of a task's version and of how it makes a score of an answer: filters, metrics, the source of its code.

    What it asks (`doc_to_text`, few-shot examples, images) is left out: it is in the prompt and the media.
    """
    config = getattr(task, "config", None)
    metadata = getattr(config, "metadata", None)
    version = metadata.get("version") if isinstance(metadata, Mapping) else None
    values = {name: _sourced(getattr(config, name, None)) for name in _DEFINING}
    return digest_of({"version": version or getattr(task, "VERSION", None), **values})


def _sourced(value: Any) -> Any:
    """A setting with functions replaced by their name and source: their own text is an address."""
    if isinstance(value, Mapping):
        return {str(name): _sourced(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_sourced(each) for each in value]
    if isinstance(value, functools.partial):
        return [_sourced(value.func), _sourced(value.args), _sourced(value.keywords)]
    if not callable(value):
        return value
    name = getattr(value, "__qualname__", type(value).__qualname__)
    try:
        return [name, inspect.getsource(value)]
    except (OSError, TypeError):  # built in, or made while the program ran
        return name


def answer_target(task: Any, name: str, document: Any, prompt: str) -> AnswerTarget:
    """The candidates and the gold answer of a document, from our targets or the task's own `doc_to_target`."""
    has_choices = config_value(task, "doc_to_choice") is not None
    choices = ask(task, "doc_to_choice", document) if has_choices else None
    # where the choices are put into the prompt, the harness keeps the right one's place in `doc_to_text`
    gold = ask(task, "doc_to_text" if getattr(task, "multiple_input", 0) else "doc_to_target", document)
    reason = _no_gold(config_value(task, "doc_to_target"), document, gold, choices, prompt)
    target = target_for(name, document, prompt=prompt, gold=None if reason else gold, choices=choices)
    known = target.gold is not None or target.gold_texts
    return target if known or reason is None else replace(target, note="; ".join(filter(None, (target.note, reason))))


def _no_gold(named: Any, document: Any, gold: Any, choices: Any, prompt: str) -> str | None:
    """Why what the harness returns is no gold answer: a default of the task's file, or the question once more."""
    if isinstance(gold, str) and gold.strip() == prompt.strip():
        return "doc_to_target is the question"
    constant = isinstance(named, int | list) or (isinstance(named, str) and not _is_template(named))
    if not constant or gold != named or choices:
        return None
    if isinstance(named, str) and isinstance(document, Mapping) and named in document:
        return None
    return f"doc_to_target {named!r} names no column of the documents and is the same for all of them"


def compares_with_nothing(task: Any, document: Any) -> bool:
    """Whether a task's metrics compare the answer to a document with nothing: its target is empty or a placeholder.

    Private data sets have no right answers, and MERA's ruTiE has `RUTIE_TARGET_3` in their place: an exact match is 0
    then, whatever was answered. Tasks that score by a function of their own know what they compare with.
    """
    if any(getattr(task.config, name, None) is not None for name in ("process_results", "doc_to_choice")):
        return False
    target = ask(task, "doc_to_target", document)
    return target is not None and not gold_texts_of(target)


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def ask(task: Any, method: str, *document: Any) -> Any:
    """What a task's method says, of a document or of itself, or None: private tasks have no gold answer."""
    function: Callable[..., Any] | None = getattr(task, method, None)
    if function is None:
        return None
    try:
        return function(*document)
    except Exception as error:  # what a task's own code raises for a missing answer is not ours to know
        log.debug("%s of %s: %r", method, getattr(task, "task_name", task), error)
        return None


class Tasks:
    """The tasks of one evaluation, by name; empty outside of one.

    Args:
        objects: name -> the harness's task object.
    """

    def __init__(self, objects: Mapping[str, Any] | None = None) -> None:
        self.objects = dict(objects or {})
        self._definitions = {name: task_definition(task) for name, task in self.objects.items()}

    def reference(self, name: str, document: Any, question: str) -> Reference:
        """What an answer to a document is compared with; a task that cannot name its gold answer has none."""
        task = self.objects.get(name)
        target = answer_target(task, name, document, question)
        regions = _regions(task, name, document)
        turn = turn_of(document) if isinstance(document, Mapping) else None
        return Reference(target, answer_filters(task, document), self._definitions.get(name), regions, turn)

    def choice_rule(self, name: str, document: Any, n_tokens: Sequence[int], *, per_token: bool) -> ChoiceRule:
        """By what a task compares its choices; see `lens_engine.choices.choice_rule`."""
        task = self.objects.get(name)
        return choice_rule(metric_names(task), ask(task, "doc_to_choice", document), n_tokens, per_token=per_token)


def _regions(task: Any, name: str, document: Any) -> Regions | BoxError:
    """The boxes and words of a document, or why they cannot be read."""
    try:
        return regions_of(name, document, getattr(getattr(task, "config", None), "metadata", None))
    except BoxError as error:
        return error


def answer_filters(task: Any, document: Any) -> Filters | None:
    """What each filter pipeline of a task takes from a response to a document; None for a task without pipelines.

    A pipeline that leaves the response as it is, takes one of several, or cannot be asked outside the harness's own
    scoring, takes None.
    """
    pipelines = [each for each in getattr(task, "_filters", None) or () if getattr(each, "filters", None)]
    if not pipelines:
        return None
    return lambda response: [_taken(pipeline, response, document) for pipeline in pipelines]


def _taken(pipeline: Any, response: str, document: Any) -> str | None:
    answers: Any = [[response]]
    try:
        for step in pipeline.filters:
            # lm-eval keeps the makers of its filters, lmms-eval the filters
            one = step if hasattr(step, "apply") and not isinstance(step, type) else step()
            answers = list(one.apply(answers, [document]))
    except Exception as error:  # a task's own code; its score is the harness's business, and so is its error
        log.debug("filter %s: %r", getattr(pipeline, "name", "?"), error)
        return None
    answer = answers[0] if len(answers) == 1 else None
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        answer = answer[0] if len(answer) == 1 else None
    same = isinstance(answer, str) and " ".join(answer.split()).casefold() == " ".join(response.split()).casefold()
    return answer if isinstance(answer, str) and not same else None


@contextmanager
def table_knows_lens_metrics(tasks: Mapping[str, Any], mean: Callable[..., float]) -> Iterator[None]:
    """For a while the tasks know how to average the lens metrics and which direction is better."""
    with ExitStack() as stack:
        for task in tasks.values():
            aggregation = _merged(task.aggregation, dict.fromkeys(METRIC_NAMES, mean))
            direction = _merged(task.higher_is_better, higher_is_better())
            stack.enter_context(shadowed(task, aggregation=aggregation, higher_is_better=direction))
        yield


def _merged(original: Callable[[], Mapping[str, Any]], more: Mapping[str, Any]) -> Callable[[], dict[str, Any]]:
    return lambda: {**original(), **more}
