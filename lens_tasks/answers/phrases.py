"""A candidate within a phrase or a sum: "The large red cube" asked for its shape, "2 cubes and 1 sphere, so 3"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lens_tasks.naming import Named, denied, mentions, named_at, negated_before
from lens_tasks.target_types import Candidate

from .markers import AFTER_TOTAL, BUT, CONCLUSION, REFUSAL, RETRACTED, TOTAL
from .types import AnswerSpan, NoAnswer

__all__ = ["predicative", "stated_in_phrase"]

_LONGEST_PHRASE = 160
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)?")
_ITEM = re.compile(r"^[ \t]*\d+[.)][ \t]", re.MULTILINE)
_COPULA = re.compile(
    r"(?:\b(?:is|are|shows|it['’]s)\s+(?:an?\s+|the\s+)?|\bэто\s+|\bявляется\s+|[—–]\s+(?:это\s+)?)[*_\"'«(]*$",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[*_\"'»”)]*\s*(?:$|[.!\n])")
_AT_END = re.compile(r"(?:\s+[^\W\d_]+){0,3}[\s\W_]*$")


def stated_in_phrase(
    body: str, begin: int, end: int, candidates: Sequence[Candidate], kind: str | None
) -> AnswerSpan | NoAnswer | None:
    """The one candidate of the kind asked for that a short text names; a total where several numbers are counted up.

    None where the kind is not known or is yes/no, or no candidate of it is named.
    """
    numbers = [each for each in candidates if each.label.isdigit()]
    if kind == "number" or (kind is None and numbers and len(numbers) == len(candidates)):
        return _number(body, begin, end, numbers)
    own = [each for each in candidates if each.kind == kind]
    if kind in (None, "yes_no") or not own or end - begin > _LONGEST_PHRASE:
        return None
    found = mentions(body, own, begin, end)
    if not found:
        return None
    if len({each.label for each in found}) > 1:
        said = [each for each in found if predicative(body, each.start)]
        if len(said) != 1 or _SENTENCE_END.match(body, said[0].end) is None:
            names = ", ".join(each.label for each in found)
            return NoAnswer(f"a phrase names several candidates of the kind asked for: {names}")
        return _certain(body, begin, end, said[0], found)
    return _certain(body, begin, end, found[-1], found)


def predicative(body: str, start: int) -> bool:
    """Whether what stands at `start` is said of something: "... is green", "... — голубая"."""
    return _COPULA.search(body[max(0, start - 24) : start]) is not None


def _certain(body: str, begin: int, end: int, chosen: Named, found: Sequence[Named]) -> AnswerSpan | NoAnswer:
    if any(denied(body, each) or negated_before(body, each.start) for each in found):
        return NoAnswer(f"the response denies {chosen.label} and states no other")
    for doubt in (RETRACTED, REFUSAL, BUT):
        word = doubt.search(body, begin, end)
        if word is not None:
            return NoAnswer(f"a phrase names {chosen.label}, and {word.group()!r} puts it in doubt")
    if "?" in body[begin:end]:
        return NoAnswer(f"{chosen.label} is asked, not answered")
    return AnswerSpan(chosen.start, chosen.end, body[chosen.start : chosen.end], "in_phrase", True, chosen.label)


def _number(body: str, begin: int, end: int, numbers: Sequence[Candidate]) -> AnswerSpan | NoAnswer | None:
    text = body[:end]
    total = _total(text, begin, numbers)
    if total is not None:
        return total
    items = [(match.start(), match.end()) for match in _ITEM.finditer(text, begin)]
    found = [each for each in mentions(text, numbers, begin) if not any(a <= each.start < b for a, b in items)]
    others = [match for match in _NUMBER.finditer(text, begin) if not any(a <= match.start() < b for a, b in items)]
    if not found or end - begin > _LONGEST_PHRASE or items:
        return NoAnswer("the response counts up and gives no total") if items else None
    if len(found) > 1 or len(others) > len([each for each in found if body[each.start].isdigit()]):
        return NoAnswer("the response gives several numbers and no total")
    return _certain(body, begin, end, found[0], found)


def _total(text: str, begin: int, numbers: Sequence[Candidate]) -> AnswerSpan | NoAnswer | None:
    """The number that the response sums up to, and nothing counted after it."""
    found: list[Named] = []
    for cue in (*TOTAL.finditer(text, begin), *CONCLUSION.finditer(text, begin)):
        named = named_at(text, cue.end(), numbers)
        if named is not None and (cue.re is TOTAL or _AT_END.match(text, named.end)):
            found.append(named)
    found += [each for each in mentions(text, numbers, begin) if AFTER_TOTAL.match(text, each.end)]
    if not found:
        return None
    if len({each.label for each in found}) > 1:
        return NoAnswer("the response gives several totals")
    last = max(found, key=lambda each: each.start)
    if RETRACTED.search(text, last.end) or any(each.label != last.label for each in mentions(text, numbers, last.end)):
        return NoAnswer(f"the total {last.label} is followed by another number")
    return AnswerSpan(last.start, last.end, text[last.start : last.end], "after_total", True, last.label)
