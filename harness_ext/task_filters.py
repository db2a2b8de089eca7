"""What a task's own filters take from a response as its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["answer_filter"]

log = logging.getLogger(__name__)


def answer_filter(task: Any, document: Any) -> Callable[[str], tuple[str, ...]]:
    """A function from a response to what each filter of the task takes from it, in the task's order.

    A filter pipeline that leaves every response as it is, takes one of several, or cannot be asked outside the
    harness's own scoring, is left out.
    """
    pipelines = [each for each in getattr(task, "_filters", None) or () if getattr(each, "filters", None)]
    return lambda response: tuple(
        taken for pipeline in pipelines if (taken := _taken(pipeline, response, document)) is not None
    )


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
    return answer if isinstance(answer, str) and answer.strip() != response.strip() else None
