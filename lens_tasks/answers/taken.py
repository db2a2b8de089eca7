"""The place of what a task's own filters took from a response: the answer read is the answer scored."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lens_tasks.documents import label_of
from lens_tasks.naming import mentions
from lens_tasks.target_types import Candidate

from .open import same_answer
from .types import AnswerSpan, NoAnswer

__all__ = ["locate_taken"]


def locate_taken(
    body: str, taken: Sequence[str], found: AnswerSpan | NoAnswer, candidates: Sequence[Candidate]
) -> AnswerSpan | NoAnswer:
    """Where in `body` the answer stands that the filters took.

    The first filter whose answer names a candidate decides. A filter that only cuts the response, and leaves the place
    that was found within what it keeps, confirms it.

    Args:
        body: the response with plain characters.
        taken: the filters' answers, in the task's order, none of them the whole response.
        found: what the response itself states.
        candidates: the closed set; empty for open tasks.
    """
    answers = [each for each in taken if not _same(each, body)]
    if not answers:
        return found
    if not candidates:
        return _open(body, answers, found)
    named = [(answer, label) for answer in answers if (label := label_of(answer, candidates)) is not None]
    if not named:
        return _kept(body, answers[0], found)
    answer, label = named[0]
    if isinstance(found, AnswerSpan) and found.label == label:
        return found
    places = [(each.start, each.end) for each in mentions(body, candidates) if each.label == label]
    return _only(body, answer, places, label)


def _same(taken: str, body: str) -> bool:
    return " ".join(taken.split()).casefold() == " ".join(body.split()).casefold()


def _kept(body: str, taken: str, found: AnswerSpan | NoAnswer) -> AnswerSpan | NoAnswer:
    """`found` where the filter kept a part of the response that it lies in."""
    places = _occurrences(body, taken)
    if isinstance(found, AnswerSpan) and any(start <= found.start and found.end <= end for start, end in places):
        return found
    return NoAnswer(f"the task's filter took {taken!r}, which names no candidate")


def _open(body: str, answers: Sequence[str], found: AnswerSpan | NoAnswer) -> AnswerSpan | NoAnswer:
    """The first filter's answer that stands in the response; a filter that found nothing gives a word of its own."""
    taken = next((each for each in answers if _occurrences(body, each)), answers[0])
    if isinstance(found, AnswerSpan) and same_answer(found.text, taken):
        return found
    return _only(body, taken, _occurrences(body, taken), None)


def _occurrences(body: str, taken: str) -> list[tuple[int, int]]:
    words = taken.split()
    if not words:
        return []
    pattern = r"\s+".join(map(re.escape, words))
    return [match.span() for match in re.finditer(rf"(?<!\w){pattern}(?!\w)", body, re.IGNORECASE)]


def _only(body: str, taken: str, places: Sequence[tuple[int, int]], label: str | None) -> AnswerSpan | NoAnswer:
    if len(places) != 1:
        return NoAnswer(f"the task's filter took {taken!r}, which stands in the response {len(places)} times")
    start, end = places[0]
    return AnswerSpan(start, end, body[start:end], "task_filter", True, label)
