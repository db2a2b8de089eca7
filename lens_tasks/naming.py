"""Which candidate, if any, a piece of text names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from lens_tasks.surface import fold, folded_words, plain
from lens_tasks.target_types import Candidate

__all__ = ["Named", "denied", "joined", "mentions", "named_at", "negated_before"]

# One-letter words of English and Russian, as written: before another word they are not an option letter. Latin B is
# not among them, Cyrillic В ("in") is.
_ONE_LETTER_WORDS = frozenset("aAiIаАвВиИкКоОсСуУяЯ")
_GAP = r"[ \t*_\"'»«)(\]\[]*"
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff"
_IDEOGRAPH = re.compile(f"[{_IDEOGRAPHS}]")
_BEFORE_NUMBER = re.compile(r"(?:\d[.,:/]|(?:^|[^\w)])[-−–]|[$€£₽¥#№])$")


_BEFORE_ONE = folded_words("is are exactly only just say total so answer всего ровно только ответ")


def _words(*words: str) -> str:
    return "|".join(fold(word) for word in words)


_NEGATED = re.compile(
    rf"(?:\b(?:{_words('not', 'never', 'neither', 'nor', 'without', 'except', 'than', 'не', 'ни', 'без', 'кроме')})"
    rf"|n['’]t)\b(?:[ \t]+(?:an?|the|{_words('very', 'really', 'option', 'letter', 'вариант', 'буква')})\b)*{_GAP}$"
)
_JOIN_WORD = rf"\b(?:{_words('and', 'or', 'nor', 'и', 'или', 'либо')})\b|\b{fold('and')}/{fold('or')}\b"
_JOIN = re.compile(rf"{_GAP}[.]?{_GAP}(?:{_JOIN_WORD}|还是|[/&|,+和或与跟及]){_GAP}(?:(?:an?|the|option)\b{_GAP})?")
_DENIED = re.compile(
    rf"{_GAP}(?:[^\s.,;!?]+[ \t]+){{0,2}}?(?:\b(?:is|are|was|were|seems|looks)\s+(?:not|wrong|incorrect|false)\b"
    rf"|\b(?:is|are|was|does|do|ca)n['’]t\b|\b(?:does|do)\s+not\b|\b(?:{_words('неверн', 'неправильн')})"
    rf"|\b{fold('не')}\s+(?:{_words('верн', 'правильн', 'подход', 'явля', 'вид')})|(?:选项)?是?(?:错|不|否))"
)


@dataclass(frozen=True)
class Named:
    """A candidate named in a text: its label, its kind and the characters that name it."""

    label: str
    start: int
    end: int
    kind: str | None = None


@dataclass(frozen=True)
class _Form:
    text: str
    label: str
    kind: str | None
    spellings: frozenset[str]

    def covers(self, character: str) -> bool:
        """Whether a single letter is one of its spellings; a look-alike of another alphabet must be among them."""
        return plain(character).lower() in self.spellings


@lru_cache(maxsize=4096)
def _forms(candidates: tuple[Candidate, ...]) -> tuple[_Form, ...]:
    """Folded forms, longest first, so that `10` is tried before `1`."""
    spellings: dict[tuple[str, str, str | None], set[str]] = {}
    for each in candidates:
        for form in (*each.variants, each.label):
            spelling = form.strip()
            spellings.setdefault((fold(spelling), each.label, each.kind), set()).add(plain(spelling).lower())
    forms = {_Form(*key, frozenset(values)) for key, values in spellings.items()}
    return tuple(
        sorted((form for form in forms if form.text), key=lambda form: (-len(form.text), form.text, form.label))
    )


@lru_cache(maxsize=1024)
def _anywhere(candidates: tuple[Candidate, ...]) -> re.Pattern[str]:
    texts = dict.fromkeys(form.text for form in _forms(candidates))
    return re.compile(rf"(?:(?<![^\W_])(?<![^\W\d_]-)|(?<=[{_IDEOGRAPHS}]))(?=(?:{'|'.join(map(re.escape, texts))}))")


def named_at(text: str, start: int, candidates: Sequence[Candidate]) -> Named | None:
    """The candidate that the text names at `start`, as whole words; None if there is none.

    Case, е/ё, Cyrillic/Latin look-alikes and full-width letters do not matter. A single letter before a further word
    does not count where it is a word of its own ("A dog ...", "В этом ..."). A number is not named by a part of
    another one ("-5", "2.5", "1/2", "14%").
    """
    forms = _forms(tuple(candidates))
    window = text[start : start + _reach(forms)]  # responses may be long, and folding goes letter by letter
    folded = fold(window)
    for form in forms:
        end = len(form.text)
        if not folded.startswith(form.text) or not _ends_word(folded, end):
            continue
        if form.text[0].isdigit() and _BEFORE_NUMBER.search(text[max(0, start - 2) : start]):
            continue
        if end == 1 and not form.covers(window[0]):
            continue
        if window[:end] in _ONE_LETTER_WORDS and not _stands_alone(folded, end, form.label, forms, window[0] in "aA"):
            continue
        if form.text in ("one", fold("один")) and not _counts_one(text, start, start + end):
            continue
        return Named(form.label, start, start + end, form.kind)
    return None


def mentions(text: str, candidates: Sequence[Candidate], begin: int = 0, end: int | None = None) -> list[Named]:
    """Every place between `begin` and `end` where the text names a candidate, in order."""
    if not candidates:
        return []
    end = len(text) if end is None else end
    folded = fold(text[:end])
    found: list[Named] = []
    for match in _anywhere(tuple(candidates)).finditer(folded, begin):
        if found and match.start() < found[-1].end:
            continue
        named = named_at(text[:end], match.start(), candidates)
        if named is not None:
            found.append(named)
    return found


def _reach(forms: tuple[_Form, ...]) -> int:
    return 2 * (len(forms[0].text) if forms else 0) + 80


def _ends_word(folded: str, end: int) -> bool:
    rest = folded[end : end + 2]
    if not rest:
        return True
    inside, number = folded[end - 1], folded[end - 1].isdigit()
    if rest[0].isalnum():  # "答案是B因为": a Latin letter ends before an ideograph
        return bool(_IDEOGRAPH.match(rest[0])) and not _IDEOGRAPH.match(inside)
    is_letter = end == 1 and inside.isalpha()
    if rest[0] in "'’" or (rest[0] in "+#" and (is_letter or number)) or (rest[0] in "%°" and number):
        return not rest[1:].isalnum() and rest[0] in "'’"  # "it's" is not "it", "C++" not "C", "14%" not "14"
    if not rest[1:].isalnum():
        return True
    # "no-one" is not "no", "2.5" and "1/2" are not "2" and "1"; "A-strange" is A
    return not (rest[0] == "-" and not is_letter) and not (rest[0] in ".,:/" and rest[1].isdigit() and number)


def _stands_alone(folded: str, end: int, label: str, forms: tuple[_Form, ...], latin_a: bool) -> bool:
    """Whether a single letter stands alone, before nothing but the text of its own option ("A normal"), or "or"."""
    gap = re.match(r"[ \t]+(?=\w)", folded[end:])
    if gap is None or re.match(_JOIN_WORD, folded[end + gap.end() :]):
        return True
    if latin_a:  # "A cat" is an article and its noun, whichever option the cat is
        return False
    begin = end + gap.end()
    own = [begin + len(form.text) for form in forms if form.label == label and folded.startswith(form.text, begin)]
    return any(re.match(r"[*_\"'»)\]]*(?:[.,;:!\n(—–-]|\s*$)", folded[place:]) for place in own)


def _counts_one(text: str, start: int, end: int) -> bool:
    """Whether "one" is the number: not "the red one", "one of them", "no one"."""
    after = re.match(r"\s+(?:of|из|another|by)\b", text[end:], re.IGNORECASE)
    before = re.search(r"([^\W\d_]+)\s+$", text[:start][-40:])
    return after is None and (before is None or fold(before[1]) in _BEFORE_ONE)


def denied(text: str, named: Named) -> bool:
    """Whether what follows says that the candidate is not the one: "B is wrong", "A cat is not in the picture"."""
    return _DENIED.match(fold(text[named.end : named.end + 80])) is not None


def negated_before(text: str, start: int) -> bool:
    """Whether the words before `start` deny what follows: "not B", "isn't a", "не A"."""
    return _NEGATED.search(fold(text[max(0, start - 40) : start])) is not None


def joined(text: str, named: Named, candidates: Sequence[Candidate]) -> Named | None:
    """The candidate of the same kind that "and", "or", a slash or a comma joins to `named`; None if there is none."""
    near = fold(text[named.end : named.end + 40])
    join = _JOIN.match(near)
    if join is None:
        return None
    other = named_at(text, named.end + join.end(), candidates)
    return None if other is None or other.label == named.label or other.kind != named.kind else other
