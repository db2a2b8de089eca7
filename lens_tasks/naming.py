"""Which candidate, if any, a piece of text names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from lens_tasks.surface import fold
from lens_tasks.target_types import Candidate

# One-letter words of English and Russian, as written: before another word they are not an option letter. Latin B is
# not among them, Cyrillic В ("in") is.
_ONE_LETTER_WORDS = frozenset("aAiIаАвВиИкКоОсСуУяЯ")
_GAP = r"[ \t*_\"'»«)(]*"


def _words(*words: str) -> str:
    return "|".join(fold(word) for word in words)


_NEGATION = re.compile(rf"(?:{_words('not', 'never', 'neither', 'не', 'ни')})\b{_GAP}")
_JOIN_WORD = rf"\b(?:{_words('and', 'or', 'и', 'или')})\b"
_JOIN = re.compile(rf"{_GAP}[.]?{_GAP}(?:{_JOIN_WORD}|[/&|,]){_GAP}")
_DENIED = re.compile(
    rf"{_GAP}(?:\b(?:is|are|was)\s+(?:not|wrong|incorrect|false)\b|\bisn['’]t\b|\b(?:{_words('неверн', 'неправильн')})"
    rf"|\b{fold('не')}\s+(?:{_words('верн', 'правильн', 'подход', 'явля')}))"
)


@dataclass(frozen=True)
class Named:
    """A candidate named in a text: its label and the characters that name it."""

    label: str
    start: int
    end: int


@lru_cache(maxsize=4096)
def _forms(candidates: tuple[Candidate, ...]) -> tuple[tuple[str, str], ...]:
    """(folded form, label) pairs, longest form first, so that `10` is tried before `1`."""
    pairs = {(fold(form.strip()), candidate.label) for candidate in candidates for form in candidate.variants}
    pairs |= {(fold(candidate.label), candidate.label) for candidate in candidates}
    return tuple(sorted((pair for pair in pairs if pair[0]), key=lambda pair: (-len(pair[0]), pair)))


def named_at(text: str, start: int, candidates: Sequence[Candidate]) -> Named | None:
    """The candidate that the text names at `start`, as whole words; None if there is none.

    Case, е/ё and Cyrillic/Latin look-alikes do not matter. A single letter before a further word does not count where
    it is a word of its own ("A dog ...", "В этом ...").
    """
    forms = _forms(tuple(candidates))
    window = text[start : start + _reach(forms)]  # responses may be long, and folding goes letter by letter
    folded = fold(window)
    for form, label in forms:
        end = len(form)
        if not folded.startswith(form) or not _ends_word(folded, end):
            continue
        if window[:end] in _ONE_LETTER_WORDS and not _followed_by_own_text(folded, end, label, forms):
            continue
        return Named(label, start, start + end)
    return None


def _reach(forms: tuple[tuple[str, str], ...]) -> int:
    return 2 * (len(forms[0][0]) if forms else 0) + 80


def _ends_word(folded: str, end: int) -> bool:
    rest = folded[end : end + 2]
    if not rest:
        return True
    if rest[0].isalnum():
        return False
    if not rest[1:].isalnum():
        return True
    is_letter = end == 1 and folded[0].isalpha()
    # "no-one" is not "no", "it's" is not "it", "2.5" is not "2"; "A-strange" is A
    return not (rest[0] in "-'’" and not is_letter) and not (rest[0] in ".," and rest[1].isdigit())


def _followed_by_own_text(folded: str, end: int, label: str, forms: tuple[tuple[str, str], ...]) -> bool:
    """Whether a single letter stands alone, before the text of its own option ("A normal") or before "or"."""
    gap = re.match(r"[ \t]+(?=\w)", folded[end:])
    if gap is None or re.match(_JOIN_WORD, folded[end + gap.end() :]):
        return True
    return any(own == label and folded.startswith(form, end + gap.end()) for form, own in forms)


def disqualified(text: str, start: int, named: Named | None, candidates: Sequence[Candidate]) -> str | None:
    """Why what stands at `start` is not a plain choice of `named`: `negated`, `ambiguous`, or None.

    `negated`: "not B", "B is wrong". `ambiguous`: "yes and no", "A or B", "A, B".
    """
    near = text[start : start + 2 * _reach(_forms(tuple(candidates)))]
    folded = fold(near)
    if named is None:
        negation = _NEGATION.match(folded)
        return "negated" if negation and named_at(near, negation.end(), candidates) else None
    end = named.end - start
    if _DENIED.match(folded, end):
        return "negated"
    join = _JOIN.match(folded, end)
    other = named_at(near, join.end(), candidates) if join else None
    if join is None or other is None or other.label == named.label:
        return None
    if "," in join.group() and re.match(r"[\s*_\"'».)!]*$", folded[other.end :]) is None:
        return None  # "No, two of them are red" chooses "no"
    return "ambiguous"
