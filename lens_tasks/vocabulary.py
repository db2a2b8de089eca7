"""Closed answer vocabularies: yes/no in two languages, the 28 answers of CLEVR, their Russian counterparts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lens_tasks.surface import word_forms
from lens_tasks.target_types import Candidate

_NUMBERS = {
    "0": ("zero", "ноль"),
    "1": ("one", "один"),
    "2": ("two", "два"),
    "3": ("three", "три"),
    "4": ("four", "четыре"),
    "5": ("five", "пять"),
    "6": ("six", "шесть"),
    "7": ("seven", "семь"),
    "8": ("eight", "восемь"),
    "9": ("nine", "девять"),
    "10": ("ten", "десять"),
}

# English label -> further English words, Russian label, further Russian words. The label is the benchmark's own answer.
# Russian synonyms are few on purpose: tokenizers split them, and a first piece that two answers share is lost to both.
_WORDS: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "yes": ((), "да", ()),
    "no": ((), "нет", ()),
    "gray": (("grey",), "серый", ()),
    "red": ((), "красный", ()),
    "blue": ((), "синий", ()),
    "green": ((), "зеленый", ()),
    "brown": ((), "коричневый", ()),
    "purple": (("violet",), "фиолетовый", ("пурпурный",)),
    "cyan": (("turquoise",), "голубой", ("бирюзовый",)),
    "yellow": ((), "желтый", ()),
    "cube": (("block",), "куб", ("кубик",)),
    "sphere": (("ball",), "сфера", ("шар",)),
    "cylinder": ((), "цилиндр", ()),
    "large": (("big",), "большой", ()),
    "small": (("tiny",), "маленький", ()),
    "rubber": (("matte",), "резина", ("резиновый",)),
    "metal": (("metallic", "shiny"), "металл", ("металлический",)),
}
_WITH_YO = {"зеленый": "зелёный", "желтый": "жёлтый"}


_KINDS = (("yes_no", 2), ("colour", 8), ("shape", 3), ("size", 2), ("material", 2))  # of _WORDS, in its order
_KIND_OF_WORD = dict(zip(_WORDS, [kind for kind, count in _KINDS for _ in range(count)], strict=True))


def _english(label: str, further: tuple[str, ...], kind: str | None) -> Candidate:
    return Candidate(label, word_forms((label, *further)), kind)


def _russian(label: str, further: tuple[str, ...], kind: str | None) -> Candidate:
    spellings = (label, _WITH_YO[label]) if label in _WITH_YO else (label,)
    return Candidate(label, word_forms((*spellings, *further)), kind)


YES_NO = (_english("yes", (), None), _english("no", (), None))
YES_NO_RUSSIAN = (_russian("да", (), None), _russian("нет", (), None))
TRUE_FALSE = (_english("true", (), None), _english("false", (), None))
RIGHT_WRONG_RUSSIAN = (_russian("верно", (), None), _russian("неверно", (), None))

_ENGLISH_NUMBERS = tuple(_english(digit, (english,), "number") for digit, (english, _) in _NUMBERS.items())
_RUSSIAN_NUMBERS = tuple(_russian(digit, (russian,), "number") for digit, (_, russian) in _NUMBERS.items())
_ENGLISH_WORDS = tuple(_english(word, further, _KIND_OF_WORD[word]) for word, (further, _, _) in _WORDS.items())
_RUSSIAN_WORDS = tuple(_russian(label, further, _KIND_OF_WORD[word]) for word, (_, label, further) in _WORDS.items())

CLEVR = _ENGLISH_WORDS[:2] + _ENGLISH_NUMBERS + _ENGLISH_WORDS[2:]
"""The 28 answers of CLEVR: yes, no, 0 to 10, eight colours, three shapes, two sizes, two materials."""

RUCLEVR = _RUSSIAN_WORDS[:2] + _RUSSIAN_NUMBERS + _RUSSIAN_WORDS[2:]
"""Their Russian counterparts in the initial form, in the order of `CLEVR`; е and ё, and common synonyms, are pooled."""

RUSSIAN_TO_ENGLISH: Mapping[str, str] = MappingProxyType(
    {russian.label: english.label for russian, english in zip(RUCLEVR, CLEVR, strict=True)}
)


def pivot_of(candidates: tuple[Candidate, ...], english: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """English forms under the labels of `candidates`, so that both sets can be compared label by label."""
    return tuple(Candidate(own.label, other.variants, own.kind) for own, other in zip(candidates, english, strict=True))
