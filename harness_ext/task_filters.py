"""What a task's own filters take from a response as its answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from lens_tasks.answers import Filters

__all__ = ["answer_filters"]

log = logging.getLogger(__name__)


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
