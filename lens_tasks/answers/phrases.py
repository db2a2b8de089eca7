"""A candidate within a phrase or a sum: "The large red cube" asked for its shape, "2 cubes and 1 sphere, so 3"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lens_tasks.naming import Named, denied, mentions, negated_before
from lens_tasks.surface import fold, folded_words

from .numbers import said_in, stated_number
from .types import ClosedText, NoAnswer, Stated
from .words import BUT, REFUSAL, RETRACTED, sentence_start

__all__ = ["LONGEST_PHRASE", "says_of_it", "stated_in_phrase"]

LONGEST_PHRASE = 160
_COPULA = re.compile(
    r"(?:\b(?:is|are|it['’]s|это|является)|[—–]|\b(?:made|сделан\w*)\s+(?:of|из))\s+(?:(?:an?|the|это)\s+)?[*_\"'«(]*$",
    re.IGNORECASE,
)
_IT_IS = re.compile(
    r"^\W*(?:(?:it|this|that|they|он|она|оно|это)\s+(?:is|are)\b|it['’]s\b|(?:это|он|она|оно)\s*[—–])", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[*_\"'»”)]*\s*(?:$|[.!\n])")
_WORD = re.compile(r"[^\W_]+")
_OF_IT = folded_words(
    "a an the it its this that these is are of in on object thing item one color colour colored shape size material"
    " made image picture photo shown main here answer"
    " это он она оно они его её ее предмет объект фигура цвет цвета форма формы имеет из сделан сделана сделано на"
    " картинке изображении фото"
)
"""Words that speak of no other object than the one asked about."""
_PLACES = folded_words(
    "of to in on at behind near by from left right front next beside between above below under over"
    " за у на под от рядом слева справа перед около между над возле с со"
)


def stated_in_phrase(text: ClosedText, begin: int) -> Stated | NoAnswer | None:
    """The one candidate of the kind asked for that a short text names; a total where several numbers are counted up.

    The text is a phrase of nothing but candidates ("The large red cube"), or says of what was asked about what it is
    ("The cube is red"). None where the kind is not known or is yes/no, or no candidate of it is named so.
    """
    body, kind = text.body, text.kind
    numbers = [each for each in text.candidates if each.label.isdigit()]
    if kind == "number" or (kind is None and numbers and len(numbers) == len(text.candidates)):
        number = stated_number(body, begin, numbers, text.question, LONGEST_PHRASE)
        return _certain(text, begin, number) if isinstance(number, Stated) and number.rule == "in_phrase" else number
    own = [each for each in text.candidates if each.kind == kind]
    if kind in (None, "yes_no") or not own or len(body) - begin > LONGEST_PHRASE or "?" in body[begin:]:
        return None
    found = mentions(body, own, begin)
    said = [each for each in found if says_of_it(body, begin, each, text.question)]
    if len(said) == 1:
        return _certain(text, begin, Stated(said[0], "in_phrase"))
    if len({each.label for each in found}) > 1:
        names = ", ".join(each.label for each in found)
        return NoAnswer(f"a phrase names several candidates of the kind asked for: {names}")
    if len(found) != 1 or not _is_phrase(body[begin:], mentions(body, text.candidates, begin), begin):
        return None
    return _certain(text, begin, Stated(found[0], "in_phrase"))


def says_of_it(body: str, begin: int, named: Named, question: str | None) -> bool:
    """Whether the sentence ends by saying of what was asked about that it is `named`."""
    sentence = max(begin, sentence_start(body, named.start, ".!?\n,;"))
    copula = _COPULA.search(body[sentence : named.start])
    if copula is None or _SENTENCE_END.match(body, named.end) is None or negated_before(body, named.start):
        return False
    if sentence != begin and re.search(r"\w", body[begin:sentence]) and body[sentence - 1] in ",;":
        return False
    subject = _WORD.findall(body[sentence : sentence + copula.start()])
    return all(fold(word) in _OF_IT or (question is not None and said_in(word, question)) for word in subject) or (
        question is None and not any(fold(word) in _PLACES for word in subject)
    )


def _is_phrase(text: str, named: Sequence[Named], begin: int) -> bool:
    """Whether a text is a phrase of candidates and words of no other object alone, about nothing but "it"."""
    if re.search(r"\b(?:is|are|was|were)\b|[—–]", _IT_IS.sub("", text)):
        return False
    rest = "".join(
        " " if any(each.start - begin <= place < each.end - begin for each in named) else character
        for place, character in enumerate(text)
    )
    return all(fold(word) in _OF_IT - _PLACES for word in _WORD.findall(rest))


def _certain(text: ClosedText, begin: int, chosen: Stated) -> Stated | NoAnswer:
    body, named = text.body, chosen.named
    if denied(body, named) or negated_before(body, named.start):
        return NoAnswer(f"the response denies {named.label} and states no other")
    for doubt in (RETRACTED, REFUSAL, BUT):
        word = doubt.search(body, begin)
        if word is not None:
            return NoAnswer(f"a phrase names {named.label}, and {word.group()!r} puts it in doubt")
    return chosen
