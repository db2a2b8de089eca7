"""The place of what a task's own filter took from a response: the answer read is the answer scored.

Which occurrence a filter took is found by asking it again with one occurrence changed: the one whose change changes its
answer is the one it took. So any filter can be followed, whatever it does inside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from lens_tasks.documents import label_of
from lens_tasks.naming import mentions
from lens_tasks.target_types import Candidate

from .types import AnswerSpan, NoAnswer

__all__ = ["Filters", "locate_taken"]

Filters = Callable[[str], Sequence[str | None]]
"""A response -> what each of the task's filters takes from it, in the task's order; None where one takes it whole."""

_Place = tuple[int, int]


def locate_taken(
    response: str, filters: Filters, found: AnswerSpan | NoAnswer, candidates: Sequence[Candidate]
) -> AnswerSpan | NoAnswer:
    """Where in a response the answer stands that the filters took; `found` where they leave it whole.

    The first filter whose answer names a candidate decides (of an open task: whose answer stands in the response).

    Args:
        response: the text as generated.
        filters: the task's own.
        found: what the response itself states.
        candidates: the closed set; empty for open tasks.
    """
    taken = [(number, answer) for number, answer in enumerate(filters(response)) if answer is not None]
    if not taken:
        return found
    known = [each for each in taken if _places(response, each[1], candidates)]
    number, answer = (known or taken)[0]
    label = label_of(answer, candidates) if candidates else None
    if candidates and label is None:
        return _kept(response, answer, found)
    places = _places(response, answer, candidates)
    changed = [place for place in places if filters(_changed(response, place, label, candidates))[number] != answer]
    if len(changed) != 1:
        return NoAnswer(f"the task's filter took {answer!r}, and where in the response cannot be told")
    (start, end) = changed[0]
    if isinstance(found, AnswerSpan) and found.label == label and found.start <= start < found.end:
        return found
    return AnswerSpan(start, end, response[start:end], "task_filter", True, label)


def _places(response: str, taken: str, candidates: Sequence[Candidate]) -> list[_Place]:
    """Where the answer of a filter stands in the response, as it is or as the candidate that it names."""
    words = taken.strip().strip("()[]").split()
    pattern = r"\s+".join(map(re.escape, words))
    whole = rf"(?<![^\W_]){pattern}(?![^\W_])"
    places = {match.span() for match in re.finditer(whole, response, re.IGNORECASE)} if words else set()
    label = label_of(taken, candidates) if candidates else None
    if candidates and label is None:
        return []
    places |= {(each.start, each.end) for each in mentions(response, candidates) if each.label == label}
    return sorted(places)


def _changed(response: str, place: _Place, label: str | None, candidates: Sequence[Candidate]) -> str:
    """The response with another answer of the same form at one place."""
    start, end = place
    said = response[start:end]
    others = [form.strip() for each in candidates if each.label != label for form in (each.label, *each.variants)]
    alike = [form for form in others if len(form) == len(said) and form.isupper() == said.isupper()]
    other = next(iter(alike or others), "".join(map(_next, said)))
    return response[:start] + other + response[end:]


def _next(character: str) -> str:
    """Another digit for a digit, another letter of the same case for a letter."""
    if character.isdigit():
        return str((int(character) + 1) % 10)
    if not character.isalpha():
        return character
    other = "b" if character in "aA" else "a"
    return other if character.islower() else other.upper()


def _kept(response: str, taken: str, found: AnswerSpan | NoAnswer) -> AnswerSpan | NoAnswer:
    """`found` where the filter kept a part of the response that it lies in."""
    place = response.casefold().find(taken.strip().casefold())
    if isinstance(found, AnswerSpan) and 0 <= place <= found.start and found.end <= place + len(taken.strip()):
        return found
    return NoAnswer(f"the task's filter took {taken!r}, which names no candidate")
