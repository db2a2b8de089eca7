"""The answer of a closed task: which candidate a response plainly states, and where.

A candidate is plainly stated at a place where it stands alone, opens a sentence, or follows words that announce it. It
is read only where nothing else in the response states another one, takes it back or refuses to answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from re import Pattern

from lens_tasks.naming import Named, mentions, named_at
from lens_tasks.target_types import Candidate

from .doubts import doubt
from .phrases import LONGEST_PHRASE, says_of_it, stated_in_phrase
from .scope import repeats
from .statements import named_after, stated_at
from .types import AnswerSpan, ClosedText, NoAnswer, Scope, Stated
from .words import (
    CLAUSE_END,
    CONCLUSION,
    CONTENT,
    NOTHING_LEFT,
    PHRASE,
    REASONING,
    REFUSAL,
    SENTENCE_END,
    STRONG_MARKER,
    WEAK_PHRASE,
    clause_from,
    own_markers,
    sentence_start,
)
from .yes_no import is_yes_or_no, yes_or_no

__all__ = ["locate_closed"]

_OUTSIDE_WORDS = 2
_QUESTION = re.compile(r"[\s*_#>]*[^.!?\n]*\?[\s*_\"'»”)]*")
"""A first sentence that is a question."""
_CONDITION = re.compile(r"\b(?:if|unless|whether|если|при\s+условии|ли)\b", re.IGNORECASE)
_NOT_ASSERTED = re.compile(
    r"\b(?:(?<!no\s)doubt|not|n['’]t|never|nobody|no\s+one|wrong|incorrect|false|unlikely|least|common|tempted|would|could|might|may|argue"
    r"|sure|student|user|people|others?|your|their|his|her|possible|expected|previous|не|нельзя|никто|сомнева\w*|вряд|маловероятн\w*"
    r"|неправильн\w*|неверн\w*|многие|ваш\w*|их|его|её|возможн\w*|можно)\b|n['’]t\b|[不没非别]|很多|有人",
    re.IGNORECASE,
)
"""Before a cue: what follows is denied, only possible, or somebody else's answer ("the user would say")."""
_OWN = re.compile(
    r"(?:^|[,;:—–)]|\b(?:so|therefore|thus|hence|then|and|because|(?:means|follows|conclude)\s+that"
    r"|итак|значит|поэтому|следовательно|и))[\s*_#>\"'(]*"
    r"(?:i\s+(?:think|believe)\s+(?:that\s+)?)?(?:(?:the|my|a|мой|моим|я)\s+)?"
    r"(?:(?:most|correct|right|best|final|likely|suitable|accurate|appropriate|proper|(?:правильн|верн|итогов|окончательн)\w+)\s+)*"
    r"[\s*_因此故所以应该我正确的]*$",
    re.IGNORECASE,
)
"""Before a phrase: it begins a clause, with nothing in front of it but "so", "I think" or "the correct"."""


def locate_closed(
    body: str, scope: Scope, candidates: Sequence[Candidate], kind: str | None, question: str | None = None
) -> AnswerSpan | NoAnswer:
    """The place of the answer in `body` within `scope`, and the candidate it names.

    Args:
        body: the response with plain characters.
        scope: where in it the answer may be.
        candidates: the closed set.
        kind: the kind of candidate that the question asks for, where it is known.
        question: what was asked, where it is known.
    """
    text = ClosedText(body[: scope.end], scope, tuple(candidates), kind, question)
    if CONTENT.search(text.body, scope.begin) is None:
        return NoAnswer(NOTHING_LEFT[scope.rule])
    found = _announced(text) or _opening(text) or _concluded(text)
    if found is None and kind is None:
        found = _predicate(text)
    if isinstance(found, Stated) and (why := doubt(text, found)):
        return NoAnswer(why)
    answer = found or stated_in_phrase(text, scope.begin) or _outside(text)
    return text.span(answer) if isinstance(answer, Stated) else answer


def _announced(text: ClosedText) -> Stated | NoAnswer | None:
    """The candidate behind the last marker or phrase; None where there is none."""
    markers = own_markers(text.body, text.scope.begin)
    if not markers:
        return _after_phrases(text, text.scope.begin, PHRASE)
    last = markers[-1]
    if CONTENT.search(text.body, last.end()) is None:
        return NoAnswer(NOTHING_LEFT["after_marker"])
    at_marker = stated_at(text, last.end(), "after_marker")
    found = _after_phrases(text, last.end(), PHRASE) or at_marker
    if isinstance(found, Stated) and isinstance(at_marker, Stated) and found.named.label != at_marker.named.label:
        return NoAnswer(f"two answers are given, {at_marker.named.label} and {found.named.label}")
    if found is None:
        found = _after_phrases(text, last.end(), WEAK_PHRASE)
    if found is None:
        phrase = stated_in_phrase(text, last.end())
        if isinstance(phrase, Stated):
            return Stated(phrase.named, "after_marker")
        return phrase or NoAnswer("what follows the answer marker names no candidate for certain")
    if isinstance(found, NoAnswer):
        return found
    for other in _stated_before(text, markers):
        if other.label != found.named.label:
            return NoAnswer(f"two answers are given, {other.label} and {found.named.label}")
    return found


def _stated_before(text: ClosedText, markers: Sequence[re.Match[str]]) -> Iterator[Named]:
    """The candidates behind earlier markers that are as strong as the last one, and the one that opens the response."""
    strong = STRONG_MARKER.match(text.body, markers[-1].start()) is not None
    rivals = [each for each in markers[:-1] if STRONG_MARKER.match(text.body, each.start()) or not strong]
    named = [named_after(text, each.end()) for each in rivals]
    if not REASONING.match(text.body, text.scope.begin):
        named.append(_alone(text, text.scope.begin, markers[0].start()))
    return (each for each in named if each is not None)


def _after_phrases(text: ClosedText, begin: int, phrases: Pattern[str]) -> Stated | NoAnswer | None:
    """What all phrases announce that a candidate follows; NoAnswer where they announce several."""
    places = [each for each in phrases.finditer(text.body, begin) if _introduces(text.body, each)]
    found = [stated_at(text, phrase.end(), "after_phrase") for phrase in places]
    known = [each for each in found if each is not None]
    refused = [each for each in known if isinstance(each, NoAnswer)]
    if refused:
        return refused[-1]
    stated = [each for each in known if isinstance(each, Stated)]
    if len({each.named.label for each in stated}) > 1:
        return NoAnswer("the response announces several answers: " + ", ".join(each.named.label for each in stated))
    return stated[-1] if stated else None


def _introduces(body: str, phrase: re.Match[str]) -> bool:
    """Whether a phrase is the writer's own: nothing before it in its sentence denies it or says whose answer it is."""
    begin = sentence_start(body, phrase.start())
    return _concludes(body, phrase) and _OWN.search(body[begin : phrase.start()]) is not None


def _concludes(body: str, cue: re.Match[str]) -> bool:
    """Whether the sentence of a cue is under no condition, and before the cue nothing denies it."""
    begin = sentence_start(body, cue.start())
    return not _CONDITION.search(clause_from(body, begin)) and not _NOT_ASSERTED.search(body[begin : cue.start()])


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
        if named is None or not text.fits(named) or not _concludes(text.body, cue):
            continue
        if (CLAUSE_END if is_yes_or_no(named.label) else SENTENCE_END).match(text.body, named.end):
            found.append(Stated(named, "after_phrase"))
    labels = {each.named.label for each in found}
    if len(labels) > 1:
        return NoAnswer("the response comes to several answers")
    return found[-1] if found else None


def _alone(text: ClosedText, begin: int, end: int) -> Named | None:
    """The candidate that is all there is in the first line between `begin` and `end`."""
    content = CONTENT.search(text.body, begin, end)
    named = None if content is None else named_at(text.body, content.start(), text.candidates)
    if len({each.label for each in mentions(text.body, text.candidates, begin, end)}) > 1:
        return None  # the options repeated
    return named if named is not None and SENTENCE_END.match(text.body, named.end) else None


def _predicate(text: ClosedText) -> Stated | None:
    """The one option text that a sentence about what was asked comes to: "The animal in the picture is a bird"."""
    begin, end = text.scope.begin, text.scope.end
    words = [each for each in mentions(text.body, text.candidates, begin) if each.end - each.start > 1]
    one = len({each.label for each in words}) == 1 and words[0].kind is None and not yes_or_no(text.body, words[0])
    if not one or text.question is None or end - begin > LONGEST_PHRASE or "?" in text.body[begin:end]:
        return None
    last = words[-1]
    return Stated(last, "in_phrase") if len(words) == 1 and says_of_it(text.body, begin, last, text.question) else None


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
