"""The answer of a closed task: which candidate a response plainly states, and where.

A candidate is plainly stated at a place where it stands alone, opens a sentence, or follows words that announce it. It
is read only where nothing else in the response states another one, takes it back or refuses to answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from re import Pattern

from lens_tasks.naming import Named, denied, mentions, named_at, negated_before
from lens_tasks.target_types import Candidate

from .closed_text import CLAUSE_END, CONTENT, SENTENCE_END, ClosedText, Stated, clause_from
from .doubts import doubt, states
from .markers import BUT, CONCLUSION, MARKER, PHRASE, REASONING, REFUSAL, STRONG_MARKER, WEAK_PHRASE
from .phrases import predicative, stated_in_phrase
from .polar_words import contradicts_itself, is_polar
from .scope import Scope, repeats
from .statements import named_after, stated_at
from .types import AnswerSpan, NoAnswer

__all__ = ["locate_closed"]

_OUTSIDE_WORDS = 2
_LONGEST_SENTENCE = 160
_QUESTION = re.compile(r"[\s*_#>]*[^.!?\n]*\?[\s*_\"'»”)]*")
_CONDITION = re.compile(r"\b(?:if|unless|whether|если|при\s+условии|ли)\b", re.IGNORECASE)
_NOTHING_LEFT = {
    "first_content": "the response has no words",
    "after_think": "nothing after the reasoning block",
    "after_marker": "an answer marker with nothing after it",
}


def locate_closed(
    body: str, scope: Scope, candidates: Sequence[Candidate], kind: str | None, question: str | None = None
) -> AnswerSpan | NoAnswer:
    """The place of the answer in `body` within `scope`, and the candidate it names.

    Args:
        body: the response with plain characters.
        scope: where in it the answer may stand.
        candidates: the closed set.
        kind: the kind of candidate that the question asks for, where it is known.
        question: what was asked, where it is known.
    """
    text = ClosedText(body[: scope.end], scope, tuple(candidates), kind, question)
    if CONTENT.search(text.body, scope.begin) is None:
        return NoAnswer(_NOTHING_LEFT[scope.rule])
    found = _announced(text)
    if found is None:
        found = _opening(text) or _concluded(text)
    if isinstance(found, NoAnswer):
        return found
    if found is None and text.kind is None:
        found = _predicate(text)
    if found is None:
        return stated_in_phrase(text.body, scope.begin, scope.end, candidates, kind) or _outside(text)
    why = doubt(text, found)
    if why is not None:
        return NoAnswer(why)
    named = found.named
    return AnswerSpan(named.start, named.end, body[named.start : named.end], found.rule, True, named.label)


def _announced(text: ClosedText) -> Stated | NoAnswer | None:
    """The candidate behind the last marker or phrase; None where there is none."""
    markers = list(MARKER.finditer(text.body, text.scope.begin))
    if not markers:
        return _after_phrases(text, text.scope.begin, PHRASE)
    last = markers[-1]
    if CONTENT.search(text.body, last.end()) is None:
        return NoAnswer(_NOTHING_LEFT["after_marker"])
    found = _after_phrases(text, last.end(), PHRASE) or stated_at(text, last.end(), "after_marker")
    if found is None:
        found = _after_phrases(text, last.end(), WEAK_PHRASE)
    if found is None:
        phrase = stated_in_phrase(text.body, last.end(), text.scope.end, text.candidates, text.kind)
        return _as_stated(phrase) or NoAnswer("what follows the answer marker names no candidate for certain")
    if isinstance(found, NoAnswer):
        return found
    strong = STRONG_MARKER.match(text.body, last.start()) is not None
    for marker in markers[:-1]:
        other = named_after(text, marker.end())
        settled = STRONG_MARKER.match(text.body, marker.start()) is not None
        if other is not None and other.label != found.named.label and settled >= strong:
            return NoAnswer(f"two answers are given, {other.label} and {found.named.label}")
    opening = (
        None if REASONING.match(text.body, text.scope.begin) else _bare(text, text.scope.begin, markers[0].start())
    )
    if opening is not None and opening.label != found.named.label:
        return NoAnswer(f"two answers are given, {opening.label} and {found.named.label}")
    return found


def _as_stated(found: AnswerSpan | NoAnswer | None) -> Stated | NoAnswer | None:
    if isinstance(found, AnswerSpan) and found.label is not None:
        return Stated(Named(found.label, found.start, found.end), "after_marker")
    return found if isinstance(found, NoAnswer) else None


def _after_phrases(text: ClosedText, begin: int, phrases: Pattern[str]) -> Stated | NoAnswer | None:
    """What all phrases announce that a candidate follows; NoAnswer where they announce several."""
    places = [each for each in phrases.finditer(text.body, begin) if not _conditional(text.body, each.start())]
    found = [stated_at(text, phrase.end(), "after_phrase") for phrase in places]
    known = [each for each in found if each is not None]
    refused = [each for each in known if isinstance(each, NoAnswer)]
    if refused:
        return refused[-1]
    stated = [each for each in known if isinstance(each, Stated)]
    if len({each.named.label for each in stated}) > 1:
        return NoAnswer("the response announces several answers: " + ", ".join(each.named.label for each in stated))
    return stated[-1] if stated else None


def _conditional(body: str, place: int) -> bool:
    """Whether the sentence around `place` only says what would be the answer under a condition."""
    begin = max(body.rfind(mark, 0, place) for mark in ".!?\n") + 1
    return _CONDITION.search(clause_from(body, begin)) is not None


def _opening(text: ClosedText) -> Stated | NoAnswer | None:
    """The candidate with which the response begins; a question repeated before it is stepped over."""
    begin, rule = text.scope.begin, text.scope.rule
    if REASONING.match(text.body, begin):
        return NoAnswer("reasoning without an answer marker after it")
    question = _QUESTION.match(text.body, begin)
    if question is not None and CONTENT.search(text.body, question.end()):
        if not repeats(question.group(), text.question):
            return NoAnswer("the response puts a question of its own before its answer")
        begin = question.end()
    return stated_at(text, begin, rule)


def _concluded(text: ClosedText) -> Stated | NoAnswer | None:
    """What the response comes to: "so yes.", "I would say no"."""
    weak = _after_phrases(text, text.scope.begin, WEAK_PHRASE)
    if weak is not None:
        return weak
    found = []
    for cue in CONCLUSION.finditer(text.body, text.scope.begin):
        named = named_at(text.body, cue.end(), text.candidates)
        ended = named is not None and (CLAUSE_END if is_polar(named.label) else SENTENCE_END).match(
            text.body, named.end
        )
        if named is not None and ended and text.fits(named) and not _conditional(text.body, cue.start()):
            found.append(Stated(named, "after_phrase"))
    labels = {each.named.label for each in found}
    if len(labels) > 1:
        return NoAnswer("the response comes to several answers")
    return found[-1] if found else _last_sentence(text)


def _last_sentence(text: ClosedText) -> Stated | None:
    """Yes or no at the beginning of a later sentence, where it is the only one said: "No problem! Yes, there is." """
    body, begin = text.body, text.scope.begin
    if "?" in body[begin:]:
        return None
    polar = [each for each in text.candidates if is_polar(each.label)]
    said = [each for each in mentions(body, polar, begin) if states(text, each, announced=True)]
    if len({each.label for each in said}) != 1 or not text.fits(said[-1]):
        return None
    return None if contradicts_itself(body, said[-1], text.question) else Stated(said[-1], "last_sentence")


def _bare(text: ClosedText, begin: int, end: int) -> Named | None:
    """The candidate that is all there is in the first line between `begin` and `end`."""
    content = CONTENT.search(text.body, begin, end)
    named = None if content is None else named_at(text.body, content.start(), text.candidates)
    if len({each.label for each in mentions(text.body, text.candidates, begin, end)}) > 1:
        return None  # the options repeated
    return named if named is not None and SENTENCE_END.match(text.body, named.end) else None


def _predicate(text: ClosedText) -> Stated | None:
    """The one option text that a short sentence comes to: "The animal in the picture is a bird." """
    begin, end = text.scope.begin, text.scope.end
    words = [each for each in mentions(text.body, text.candidates, begin) if each.end - each.start > 1]
    one = len({each.label for each in words}) == 1 and words[0].kind is None and not is_polar(words[0].label)
    if not one or end - begin > _LONGEST_SENTENCE or "?" in text.body[begin:end] or BUT.search(text.body, begin):
        return None
    last = words[-1]
    plain_sentence = predicative(text.body, last.start) and SENTENCE_END.match(text.body, last.end)
    denials = any(denied(text.body, each) or negated_before(text.body, each.start) for each in words)
    return Stated(last, "in_phrase") if plain_sentence and not denials else None


def _outside(text: ClosedText) -> AnswerSpan | NoAnswer:
    """A response of one or two words that names no candidate is an answer outside the set; more words are none."""
    content = CONTENT.search(text.body, text.scope.begin)
    assert content is not None
    start = content.start()
    line = text.body[start:].partition("\n")[0]
    answer = re.sub(r"[\s\W_]*$", "", line)
    plain_answer = len(answer.split()) <= _OUTSIDE_WORDS and not CONTENT.search(text.body, start + len(line))
    named = mentions(text.body, text.candidates, text.scope.begin)
    named = [each for each in named if text.fits(each)]
    if not plain_answer or named or REFUSAL.search(text.body):
        return NoAnswer("the response states no candidate for certain")
    end = start + len(answer)
    return AnswerSpan(start, end, text.body[start:end], f"{text.scope.rule}:no_candidate", True, None)
