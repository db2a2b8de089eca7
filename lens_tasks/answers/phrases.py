"""A candidate within a phrase or a sum: "The large red cube" asked for its shape, "2 cubes and 1 sphere, so 3"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lens_tasks.naming import Named, denied, mentions, named_at, negated_before
from lens_tasks.surface import fold
from lens_tasks.target_types import Candidate

from .markers import AFTER_TOTAL, BUT, CONCLUSION, REFUSAL, RETRACTED, TOTAL
from .numbers import counts_what_was_asked, said_in
from .types import AnswerSpan, NoAnswer

__all__ = ["says_of_it", "stated_in_phrase"]

_LONGEST_PHRASE = 160
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)?")
_ITEM = re.compile(r"^[ \t]*\d+[.)][ \t]", re.MULTILINE)
_COPULA = re.compile(
    r"(?:\b(?:is|are|it['’]s|это|является)|[—–]|\b(?:made|сделан\w*)\s+(?:of|из))\s+(?:(?:an?|the|это)\s+)?[*_\"'«(]*$",
    re.IGNORECASE,
)
_IT_IS = re.compile(
    r"^\W*(?:(?:it|this|that|they|он|она|оно|это)\s+(?:is|are)\b|it['’]s\b|(?:это|он|она|оно)\s*[—–])", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[*_\"'»”)]*\s*(?:$|[.!\n])")
_AT_END = re.compile(r"(?:\s+[^\W\d_]+){0,3}[\s\W_]*$")
_WORD = re.compile(r"[^\W_]+")
# Words that say nothing of another object than the one asked about.
_NEUTRAL = frozenset(
    (
        "a",
        "an",
        "the",
        "it",
        "its",
        "this",
        "that",
        "these",
        "is",
        "are",
        "of",
        "in",
        "on",
        "object",
        "thing",
        "item",
        "one",
        "color",
        "colour",
        "colored",
        "shape",
        "size",
        "material",
        "made",
        "image",
        "picture",
        "photo",
        "shown",
        "main",
        "here",
        "answer",
        "это",
        "он",
        "она",
        "оно",
        "они",
        "его",
        "её",
        "ее",
        "предмет",
        "объект",
        "фигура",
        "цвет",
        "цвета",
        "форма",
        "формы",
        "имеет",
        "из",
        "сделан",
        "сделана",
        "сделано",
        "на",
        "картинке",
        "изображении",
        "фото",
    )
)
_PLACES = frozenset(
    (
        "of",
        "to",
        "in",
        "on",
        "at",
        "behind",
        "near",
        "by",
        "from",
        "left",
        "right",
        "front",
        "next",
        "beside",
        "between",
        "above",
        "below",
        "under",
        "over",
        "за",
        "у",
        "на",
        "под",
        "от",
        "рядом",
        "слева",
        "справа",
        "перед",
        "около",
        "между",
        "над",
        "возле",
        "с",
        "со",
    )
)
_NEUTRAL_FOLDED = frozenset(map(fold, _NEUTRAL))
_PLACES_FOLDED = frozenset(map(fold, _PLACES))


def stated_in_phrase(
    body: str,
    begin: int,
    end: int,
    candidates: Sequence[Candidate],
    kind: str | None,
    question: str | None = None,
) -> AnswerSpan | NoAnswer | None:
    """The one candidate of the kind asked for that a short text names; a total where several numbers are counted up.

    The text is a phrase of nothing but candidates ("The large red cube"), or says of what was asked about what it is
    ("The cube is red"). None where the kind is not known or is yes/no, or no candidate of it is named so.
    """
    numbers = [each for each in candidates if each.label.isdigit()]
    if kind == "number" or (kind is None and numbers and len(numbers) == len(candidates)):
        return _number(body, begin, end, numbers, question)
    own = [each for each in candidates if each.kind == kind]
    if kind in (None, "yes_no") or not own or end - begin > _LONGEST_PHRASE or "?" in body[begin:end]:
        return None
    found = mentions(body, own, begin, end)
    said = [each for each in found if says_of_it(body, begin, each, question)]
    if len(said) == 1:
        return _certain(body, begin, end, said[0])
    if len({each.label for each in found}) > 1:
        names = ", ".join(each.label for each in found)
        return NoAnswer(f"a phrase names several candidates of the kind asked for: {names}")
    if len(found) != 1 or not _is_phrase(body[begin:end], mentions(body, candidates, begin, end), begin):
        return None
    return _certain(body, begin, end, found[0])


def says_of_it(body: str, begin: int, named: Named, question: str | None) -> bool:
    """Whether the sentence ends by saying of what was asked about that it is `named`."""
    sentence = max(begin, *(body.rfind(mark, begin, named.start) + 1 for mark in ".!?\n,;"))
    copula = _COPULA.search(body[sentence : named.start])
    if copula is None or _SENTENCE_END.match(body, named.end) is None or negated_before(body, named.start):
        return False
    if sentence != begin and re.search(r"\w", body[begin:sentence]) and body[sentence - 1] in ",;":
        return False
    subject = _WORD.findall(body[sentence : sentence + copula.start()])
    return all(
        fold(word) in _NEUTRAL_FOLDED or (question is not None and said_in(word, question)) for word in subject
    ) or (question is None and not any(fold(word) in _PLACES_FOLDED for word in subject))


def _is_phrase(text: str, named: Sequence[Named], begin: int) -> bool:
    """Whether a text is a phrase of candidates and neutral words alone, about nothing but "it"."""
    if re.search(r"\b(?:is|are|was|were)\b|[—–]", _IT_IS.sub("", text)):
        return False
    rest = "".join(
        " " if any(each.start - begin <= place < each.end - begin for each in named) else character
        for place, character in enumerate(text)
    )
    words = [fold(word) for word in _WORD.findall(rest)]
    return not any(word in _PLACES_FOLDED or word not in _NEUTRAL_FOLDED for word in words)


def _certain(body: str, begin: int, end: int, chosen: Named) -> AnswerSpan | NoAnswer:
    if denied(body, chosen) or negated_before(body, chosen.start):
        return NoAnswer(f"the response denies {chosen.label} and states no other")
    for doubt in (RETRACTED, REFUSAL, BUT):
        word = doubt.search(body, begin, end)
        if word is not None:
            return NoAnswer(f"a phrase names {chosen.label}, and {word.group()!r} puts it in doubt")
    return AnswerSpan(chosen.start, chosen.end, body[chosen.start : chosen.end], "in_phrase", True, chosen.label)


def _number(
    body: str, begin: int, end: int, numbers: Sequence[Candidate], question: str | None
) -> AnswerSpan | NoAnswer | None:
    text = body[:end]
    total = _total(text, begin, numbers, question)
    if total is not None:
        return total
    if _ITEM.search(text, begin):
        return NoAnswer("the response counts up and gives no total")
    found = mentions(text, numbers, begin)
    others = list(_NUMBER.finditer(text, begin))
    if not found or end - begin > _LONGEST_PHRASE or "?" in text[begin:]:
        return None
    if len(found) > 1 or len(others) > len([each for each in found if body[each.start].isdigit()]):
        return NoAnswer("the response gives several numbers and no total")
    if not counts_what_was_asked(text, found[0], question):
        return NoAnswer(f"{found[0].label} counts something else than what was asked")
    return _certain(body, begin, end, found[0])


def _total(text: str, begin: int, numbers: Sequence[Candidate], question: str | None) -> AnswerSpan | NoAnswer | None:
    """The number that the response sums up to, and nothing counted after it."""
    found: list[Named] = []
    for cue in (*TOTAL.finditer(text, begin), *CONCLUSION.finditer(text, begin)):
        named = named_at(text, cue.end(), numbers)
        if named is not None and (cue.re is TOTAL or _AT_END.match(text, named.end)):
            found.append(named)
    found += [each for each in mentions(text, numbers, begin) if AFTER_TOTAL.match(text, each.end)]
    found = [each for each in found if counts_what_was_asked(text, each, question)]
    if not found:
        return None
    if len({each.label for each in found}) > 1:
        return NoAnswer("the response gives several totals")
    last = max(found, key=lambda each: each.start)
    if RETRACTED.search(text, last.end) or any(each.label != last.label for each in mentions(text, numbers, last.end)):
        return NoAnswer(f"the total {last.label} is followed by another number")
    return AnswerSpan(last.start, last.end, text[last.start : last.end], "after_total", True, last.label)
