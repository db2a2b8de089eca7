"""Where in a response the answer stands, and which candidate it names.

What a task's own filter took as the answer decides. Without a filter the answer is what the response states plainly:
behind its last answer marker, at its beginning, or alone. Where that is not certain the result says why, and nothing
is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lens_tasks.surface import plain
from lens_tasks.target_types import Candidate

from .closed import locate_closed
from .open import locate_open
from .scope import answer_scope
from .taken import Filters, locate_taken
from .types import AnswerSpan, NoAnswer
from .words import MARKER

__all__ = ["locate_answer", "part_after_marker"]


def locate_answer(
    response: str,
    candidates: Sequence[Candidate] = (),
    until: Sequence[str] = (),
    *,
    kind: str | None = None,
    in_reasoning: bool = False,
    filters: Filters | None = None,
    question: str | None = None,
) -> AnswerSpan | NoAnswer:
    """Find the answer in a response.

    Args:
        response: the text as generated, without special tokens.
        candidates: the closed set of answers; without it the answer is open.
        until: the harness's stop strings; text from the first of them on does not belong to the answer.
        kind: the kind of candidate that the question asks for (`Candidate.kind`), where it is known.
        in_reasoning: the prompt ends inside a reasoning block, so the response begins in one.
        filters: the task's own: what they take from the response decides.
        question: what was asked. It distinguishes a repeated question from a new one, and "No, there is a dog" from an
            answer.
    """
    body = plain(response)
    found: AnswerSpan | NoAnswer
    scope = answer_scope(body, until, in_reasoning=in_reasoning, question=question)
    if isinstance(scope, NoAnswer):
        found = scope
    elif candidates:
        found = locate_closed(body, scope, candidates, kind, question)
    else:
        found = locate_open(body, scope)
    if filters is not None:
        found = locate_taken(response, filters, found, candidates)
    return found if isinstance(found, NoAnswer) else replace(found, text=response[found.start : found.end])


def part_after_marker(response: str) -> str | None:
    """The text behind the last answer marker ("ОТВЕТ", "Answer:"), to its end; None where there is no marker."""
    ends = [match.end() for match in MARKER.finditer(response)]
    return response[ends[-1] :] if ends else None
