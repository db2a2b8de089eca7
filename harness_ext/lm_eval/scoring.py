"""The lens metrics of a document join those of its task while the harness scores it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harness_ext.recording.metrics_table import numeric_scores, scores_of_filter
from harness_ext.task_objects import config_value, shadowed
from lens_models import InputError
from lens_models.encoding import UNREADABLE

from .run import LensRun

__all__ = ["read_by_lens", "scoring_with_lens"]

_PLACEHOLDER_METRIC = "bypass"  # what --predict_only puts in the place of a task's metrics


def read_by_lens(task: Any) -> bool:
    """Whether the lens reads a task's requests: generated answers, and multiple choice with images."""
    return bool(task.OUTPUT_TYPE == "generate_until") or (
        task.OUTPUT_TYPE in ("multiple_choice", "loglikelihood") and bool(config_value(task, "doc_to_image"))
    )


class _Filters:
    """The filters of a task in the order in which the harness scores them."""

    def __init__(self, task: Any) -> None:
        self._task = task
        self._begun = 0
        self.chosen: tuple[str, tuple[str, ...]] = ("", ())
        """The filter whose answers are scored, and all filters."""

    def next(self) -> None:
        """The harness begins to walk the documents: to ask, when no answer is filtered yet, or to score a filter."""
        instances = getattr(self._task, "instances", None) or ()
        names = tuple(str(name) for name in instances[0].filtered_resps) if instances else ()
        if names:
            self.chosen = (names[self._begun % len(names)], names)
            self._begun += 1


@contextmanager
def scoring_with_lens(run: LensRun, name: str, task: Any) -> Iterator[None]:
    """While this lasts, the task's scored documents carry the lens metrics.

    The harness walks `doc_iterator` once for each of the task's filters and calls `process_results` for each document
    in turn, so the iterator knows which filter and which document is scored.
    """
    current: list[int] = [0]
    filters = _Filters(task)

    def doc_iterator(*args: Any, **kwargs: Any) -> Iterator[tuple[int, Any]]:
        filters.next()
        documents = original_iterator(*args, **kwargs)
        last: int | None = None
        while True:
            try:
                position, document = next(documents)
            except StopIteration:
                return
            except UNREADABLE as error:  # the data set decodes a document's images here
                place = "the first document" if last is None else f"the document after {last}"
                raise InputError(f"task {name}, {place}: it cannot be read ({error}); check or remove it") from error
            last = current[0] = run.document_number(name, position)
            yield position, document

    def process_results(document: Any, results: Any) -> dict[str, Any]:
        metrics = dict(original_process(document, results))
        scores = {name: value for name, value in metrics.items() if name != _PLACEHOLDER_METRIC}
        run.recorder.add_scores(name, current[0], scores_of_filter(numeric_scores(scores), *filters.chosen))
        return {**metrics, **run.recorder.metrics(name, current[0])}

    original_iterator: Callable[..., Iterator[tuple[int, Any]]] = task.doc_iterator
    original_process: Callable[..., Any] = task.process_results
    with shadowed(task, doc_iterator=doc_iterator, process_results=process_results):
        yield
