"""Where in a response the answer stands, and which candidate it names.

After the last answer marker if there is one, else the first word. The rule that fired is part of the result; where no
answer can be located the result says why, and never guesses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from re import Pattern

from lens_tasks.answer_markers import LEAD_IN, MARKER, PHRASE, REASONING, THINK_END, THINK_START, WEAK_PHRASE
from lens_tasks.naming import Named, disqualified, named_at
from lens_tasks.target_types import Candidate

_CONTENT = re.compile(r"[^\W_]")
_LINE = re.compile(r"[^\n]*")
_TAIL = re.compile(r"[\s\W_]*(?:</answer>.*)?$", re.IGNORECASE)
_SHORT_ANSWER_WORDS = 2
_MOST_LEAD_INS = 3
_NOTHING_LEFT = {
    "first_content": "the response has no words",
    "after_think": "nothing after the reasoning block",
    "after_marker": "an answer marker with nothing after it",
}


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
    for marker in MARKER.finditer(body, begin):
        begin, rule = marker.end(), "after_marker"
    phrase = _after_phrase(PHRASE, body, begin, candidates)
    if phrase is not None:
        return _span(body, phrase, "after_phrase", candidates)
    return _at_content(body, begin, rule, candidates)


def part_after_marker(response: str) -> str | None:
    """The text behind the last answer marker ("ОТВЕТ", "Answer:"), to its end; None where there is no marker."""
    ends = [match.end() for match in MARKER.finditer(response)]
    return response[ends[-1] :] if ends else None


def _stop(response: str, until: Sequence[str]) -> int:
    places = [response.find(stop) for stop in until if stop]
    return min((place for place in places if place >= 0), default=len(response))


def _after_phrase(phrases: Pattern[str], body: str, begin: int, candidates: Sequence[Candidate]) -> int | None:
    """Place of the answer behind the last phrase that a candidate follows (any word, where no candidates are known)."""
    for end in reversed([match.end() for match in phrases.finditer(body, begin)]):
        place = _skip_lead_in(body, end, candidates)
        if place is not None and (not candidates or _chosen_or_denied(body, place, candidates)):
            return place
    return None


def _chosen_or_denied(body: str, place: int, candidates: Sequence[Candidate]) -> bool:
    named = named_at(body, place, candidates)
    return named is not None or disqualified(body, place, None, candidates) is not None


def _at_content(body: str, begin: int, rule: str, candidates: Sequence[Candidate]) -> AnswerSpan | NoAnswer:
    """The answer at the first word from `begin` on, which is the start, the end of a thought or a marker."""
    content = _CONTENT.search(body, begin)
    place = _skip_lead_in(body, begin, candidates)
    if content is None or place is None:
        return NoAnswer(_NOTHING_LEFT[rule])
    if rule != "after_marker" and REASONING.match(body, begin):
        return NoAnswer("reasoning without an answer marker after it")
    if candidates and not _chosen_or_denied(body, place, candidates):
        weak = _after_phrase(WEAK_PHRASE, body, begin, candidates)
        if weak is not None:
            return _span(body, weak, "after_phrase", candidates)
    if rule != "after_marker" and place != content.start():
        rule = "after_lead_in"
    return _span(body, place, rule, candidates)


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
