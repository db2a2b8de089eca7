"""Numbers in a response: which one is the count that was asked for, and the total of what was counted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lens_tasks.naming import Named, mentions, named_at
from lens_tasks.surface import fold, folded_words
from lens_tasks.target_types import Candidate

from .types import NoAnswer, Stated
from .words import AFTER_TOTAL, CONCLUSION, RETRACTED, TOTAL

__all__ = ["counts_what_was_asked", "said_in", "stated_number"]

_BEFORE = re.compile(
    r"(?:^|[.!?:;,=—–>|({\[$]|\b(?:is|are|see|sees|exactly|only|just|total|of|there|have|has|count|counted|so|thus|therefore"
    r"|answer|hence|say|equals|ответ|есть|ровно|только|вижу|видно|картинке|изображении|фото|всего|итого|равно|значит|это|их))"
    r"[\s*_\"'«]*$",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"(?:\b(?:at\s+(?:least|most)|up\s+to|nearly|almost|about|around|approximately|more\s+than|less\s+than"
    r"|fewer\s+than|over|total\s+of|не\s+(?:менее|более|меньше|больше)|около|примерно|почти|более|менее|до|image|step|figure|picture|рис\w*)\b\W*)$",
    re.IGNORECASE,
)
_SAY_NOTHING = folded_words(
    "in total altogether the this image picture photo scene here all together visible of them such shown"
)
_FEWEST_LETTERS = 3
_DIGITS = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)?")
_ITEM = re.compile(r"^[ \t]*\d+[.)][ \t]", re.MULTILINE)
_AT_END = re.compile(r"(?:\s+[^\W\d_]+){0,3}[\s\W_]*$")


def counts_what_was_asked(body: str, named: Named, question: str | None) -> bool:
    """Whether the words around a number leave it the count of what the question names.

    "At least 3" and "Image 3" are none, "2 spheres" is none where the question asks for cubes. Where the question is
    not known, one noun may follow.
    """
    line = body[body.rfind("\n", 0, named.start) + 1 : named.start]
    bound = _BOUND.search(line) is not None and re.search(r"\btotal\s+of\W*$", line) is None
    if bound or not _BEFORE.search(line):
        return False
    rest = re.match(r"[*_\"'»”)]*(?P<words>(?:[ \t]+[*_]*[^\W\d_][\w-]*[*_]*)*)", body[named.end :])
    words = [word for word in re.findall(r"[^\W_]+", rest["words"] if rest else "") if fold(word) not in _SAY_NOTHING]
    if question is None:
        return len(words) <= 1
    return all(said_in(word, question) for word in words)


def said_in(word: str, question: str) -> bool:
    """Whether a question says a word, but for its ending: "cube" and "cubes", "куба" and "кубов"."""
    word = fold(word)
    stem = word[: max(_FEWEST_LETTERS, len(word) - 2)]
    return any(other.startswith(stem) for other in re.findall(r"\w+", fold(question)))


def stated_number(
    text: str, begin: int, numbers: Sequence[Candidate], question: str | None, longest: int
) -> Stated | NoAnswer | None:
    """The total that a response comes to from `begin` on, or the one number in it where it has `longest` characters."""
    total = _total(text, begin, numbers, question)
    if total is not None:
        return total
    if _ITEM.search(text, begin):
        return NoAnswer("the response counts up and gives no total")
    found = mentions(text, numbers, begin)
    if not found or len(text) - begin > longest or "?" in text[begin:]:
        return None
    in_digits = sum(text[each.start].isdigit() for each in found)
    if len(found) > 1 or len(_DIGITS.findall(text, begin)) > in_digits:
        return NoAnswer("the response gives several numbers and no total")
    if not counts_what_was_asked(text, found[0], question):
        return NoAnswer(f"{found[0].label} counts something else than what was asked")
    return Stated(found[0], "in_phrase")


def _total(text: str, begin: int, numbers: Sequence[Candidate], question: str | None) -> Stated | NoAnswer | None:
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
    return Stated(last, "after_total")
