"""Where in a response the answer stands, and which candidate it names.

After the last answer marker if there is one, else the first word. The rule that fired is part of the result; where no
answer can be located the result says why, and never guesses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lens_tasks.answer_markers import LEAD_IN, MARKER, PHRASE, REASONING, THINK_END, THINK_START, WEAK_PHRASE
from lens_tasks.naming import Named, disqualified, named_at
from lens_tasks.target_types import Candidate

_CONTENT = re.compile(r"[^\W_]")
_LINE = re.compile(r"[^\n]*")
_TAIL = re.compile(r"[\s\W_]*(?:</answer>.*)?$", re.IGNORECASE)
_SHORT_ANSWER_WORDS = 2
_MOST_LEAD_INS = 3


@dataclass(frozen=True)
class AnswerSpan:
    """The answer within a response.

    Attributes:
        start: character of the response at which the answer begins: the place to read the lens at.
        end: one past its last character.
        text: `response[start:end]`: the words that name a candidate, else the rest of the line without end marks.
        rule: `after_marker`, `after_phrase`, `after_think`, `after_lead_in` or `first_content`, with `:negated`,
            `:ambiguous` or `:no_candidate` behind it where no candidate was chosen.
        aligned: whether `start` is where the answer was decided. False where the text there is no plain choice.
        label: label of the candidate it names, or None.
    """

    start: int
    end: int
    text: str
    rule: str
    aligned: bool
    label: str | None


@dataclass(frozen=True)
class NoAnswer:
    """No answer could be located; `reason` says why."""

    reason: str


def locate_answer(
    response: str, candidates: Sequence[Candidate] = (), until: Sequence[str] = ()
) -> AnswerSpan | NoAnswer:
    """Find the answer in a response.

    Args:
        response: the text as generated, without special tokens.
        candidates: the closed set of answers; without it whatever stands at the place is the answer.
        until: the harness's stop strings; text from the first of them on does not belong to the answer.
    """
    body = response[: _stop(response, until)]
    begin, rule = 0, "first_content"
    for end_of_thought in THINK_END.finditer(body):
        begin, rule = end_of_thought.end(), "after_think"
    if THINK_START.search(body, begin):
        return NoAnswer("the reasoning block is never closed")
    marked = _after_marker(body, begin, candidates)
    if isinstance(marked, NoAnswer):
        return marked
    if marked is not None:
        return _span(body, marked[0], marked[1], candidates)
    return _at_first_content(body, begin, rule, candidates)


def part_after_marker(response: str) -> str | None:
    """The text behind the last answer marker ("ОТВЕТ", "Answer:"), to its end; None where there is no marker."""
    ends = [match.end() for match in MARKER.finditer(response)]
    return response[ends[-1] :] if ends else None


def _stop(response: str, until: Sequence[str]) -> int:
    places = [response.find(stop) for stop in until if stop]
    return min((place for place in places if place >= 0), default=len(response))


def _after_marker(body: str, begin: int, candidates: Sequence[Candidate]) -> tuple[int, str] | NoAnswer | None:
    """Place and rule of the text after the last marker or phrase that counts."""
    last = max((match.end() for match in MARKER.finditer(body, begin)), default=None)
    patterns = (PHRASE, WEAK_PHRASE) if candidates else (PHRASE,)
    phrases = sorted(match.end() for pattern in patterns for match in pattern.finditer(body, last or begin))
    for end in reversed(phrases):
        place = _skip_lead_in(body, end, candidates)
        if place is not None and (not candidates or _chosen_or_denied(body, place, candidates)):
            return place, "after_phrase"
    if last is None:
        return None
    place = _skip_lead_in(body, last, candidates)
    return NoAnswer("an answer marker with nothing after it") if place is None else (place, "after_marker")


def _chosen_or_denied(body: str, place: int, candidates: Sequence[Candidate]) -> bool:
    named = named_at(body, place, candidates)
    return named is not None or disqualified(body, place, None, candidates) is not None


def _at_first_content(body: str, begin: int, rule: str, candidates: Sequence[Candidate]) -> AnswerSpan | NoAnswer:
    content = _CONTENT.search(body, begin)
    if content is None:
        return NoAnswer("nothing after the reasoning block" if rule == "after_think" else "the response has no words")
    if REASONING.match(body, begin):
        return NoAnswer("reasoning without an answer marker after it")
    place = _skip_lead_in(body, begin, candidates)
    assert place is not None  # there is content
    return _span(body, place, rule if place == content.start() else "after_lead_in", candidates)


def _skip_lead_in(body: str, begin: int, candidates: Sequence[Candidate]) -> int | None:
    """First letter or digit from `begin` on; past "option", "буква" and the like where a candidate follows them."""
    content = _CONTENT.search(body, begin)
    if content is None:
        return None
    place = content.start()
    for _ in range(_MOST_LEAD_INS):
        lead_in = LEAD_IN.match(body, place)
        if named_at(body, place, candidates) or lead_in is None:
            break
        place = lead_in.end()
    return place if named_at(body, place, candidates) else content.start()


def _span(body: str, start: int, rule: str, candidates: Sequence[Candidate]) -> AnswerSpan:
    named = named_at(body, start, candidates)
    problem = disqualified(body, start, named, candidates) if candidates else None
    if named is not None and problem is None:
        return AnswerSpan(start, named.end, body[start : named.end], rule, True, named.label)
    end = _end_of_line(body, start, named)
    text = body[start:end]
    if problem is not None:
        return AnswerSpan(start, end, text, f"{rule}:{problem}", False, None)
    if candidates:
        return AnswerSpan(start, end, text, f"{rule}:no_candidate", len(text.split()) <= _SHORT_ANSWER_WORDS, None)
    return AnswerSpan(start, end, text, rule, True, None)


def _end_of_line(body: str, start: int, named: Named | None) -> int:
    line = _LINE.match(body, start)
    end = line.end() if line else len(body)
    tail = _TAIL.search(body[start:end])
    end = start + tail.start() if tail else end
    return max(end, named.end if named else start + 1)
