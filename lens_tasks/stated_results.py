"""What written steps state as their results, and other values that could stand in the same place."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lens_tasks.program_steps import ProgramStep
from lens_tasks.scenes.declension import ADJECTIVES, FORMS, NOUNS, adjective_form, gender, noun_form
from lens_tasks.scenes.world import ATTRIBUTES
from lens_tasks.surface import fold

__all__ = ["StatedResult", "stated_result"]

_UNIQUE: Final = "unique"
_MOST_OTHERS: Final = 3
_NOMINATIVE: Final = "nom"
_NUMBERED = re.compile(
    r"\W*(?:(?:step|stage|шаг|этап)\s*[#№]?\s*\d{1,2}[*_]*\s*[.:)—–-]?|\d{1,2}[.)](?=\s))", re.IGNORECASE
)
"""A step's own number, which is no count."""

_VALUES: Final[dict[str, tuple[str, ...]]] = {
    "count": tuple(str(number) for number in range(11)),
    "yes_no": ("yes", "no"),
    **{f"query_{name}": values for name, values in ATTRIBUTES.items()},
}
"""Kind of a step -> the values that it can have, in English."""
_NUMERALS: Final = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    "ru": ("ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять", "десять"),
}
_ENGLISH: Final = {
    "gray": ("grey",), "purple": ("violet",), "large": ("big",), "small": ("tiny",), "metal": ("metallic", "shiny"),
    "rubber": ("matte",), "sphere": ("ball",), "cube": ("block",), "thing": ("object",),
}  # fmt: skip
"""Value -> other English words for it."""


@dataclass(frozen=True)
class StatedResult:
    """What a written step gives as its result, right or wrong.

    Attributes:
        start, end: characters of the step's text.
        others: other values of the same kind, up to three, in the language and the form of the words that stand there;
            none where no other value fits into the sentence as it is.
    """

    start: int
    end: int
    others: tuple[str, ...]


@dataclass(frozen=True)
class _Reading:
    """One way to read a word.

    Attributes:
        value: in English.
        language: `en` or `ru`; empty for digits.
        kind: `digits`, `numeral`, `adjective`, `noun`, `material` (its name) or `answer`.
        gender, form: of Russian adjectives and nouns.
    """

    value: str
    language: str
    kind: str
    gender: str = ""
    form: str = ""


def stated_result(text: str, step: ProgramStep, labels: Sequence[str]) -> StatedResult | None:
    """Where the text of a written step states a result of the kind that a step of the program has: its last one.

    Args:
        text: of the written step.
        step: of the program.
        labels: of all objects of the picture, such as `small blue metal cube`; the other values of a step that finds
            one object.

    Returns:
        None where the text states no such value, or the kind is not known.
    """
    numbered = _NUMBERED.match(text)
    begin = numbered.end() if numbered else 0
    return _object(text, begin, labels) if step.function == _UNIQUE else _value(text, begin, _kind(step.function))


def _kind(function: str) -> str:
    if function in ("exist", "greater_than", "less_than") or function.startswith("equal_"):
        return "yes_no"
    return function


def _value(text: str, begin: int, kind: str) -> StatedResult | None:
    """The last value of a kind from a character on, behind the step's own number."""
    values = _VALUES.get(kind, ())
    words = list(re.compile(r"\w+").finditer(fold(text), begin))
    found = [(word, readings) for word in words if (readings := _of_values(word.group(), values))]
    if not found:
        return None
    word, readings = found[-1]
    alone = len(words) == 1
    value = readings[0].value
    place = values.index(value)
    others = (_in_place_of(readings, other, alone) for other in (*values[place + 1 :], *values[:place]))
    return _stated(text, word.start(), word.end(), others)


def _of_values(word: str, values: Sequence[str]) -> tuple[_Reading, ...]:
    return tuple(each for each in _READINGS.get(word, ()) if each.value in values)


def _object(text: str, begin: int, labels: Sequence[str]) -> StatedResult | None:
    """The last noun phrase that names a shape or a thing, from its first attribute on."""
    folded = fold(text)
    runs: list[list[tuple[re.Match[str], tuple[_Reading, ...]]]] = []
    words = list(re.compile(r"\w+").finditer(folded, begin))
    for word in words:
        readings = tuple(each for each in _READINGS.get(word.group(), ()) if each.kind in ("adjective", "noun"))
        if not readings:
            continue
        joined = bool(runs) and folded[runs[-1][-1][0].end() : word.start()].strip(" ,") == ""
        if joined and runs[-1][-1][1][0].kind != "noun":
            runs[-1].append((word, readings))
        else:
            runs.append([(word, readings)])
    named = [run for run in runs if run[-1][1][0].kind == "noun"]
    if not named:
        return None
    run = named[-1]
    said = {readings[0].value for _, readings in run} - {"thing"}
    others = [label for label in dict.fromkeys(labels) if not said <= set(label.split())]
    forms = _forms_of([readings for _, readings in run])
    alone = len(words) == len(run)
    return _stated(
        text, run[0][0].start(), run[-1][0].end(), (_label_in_place_of(forms, label, alone) for label in others)
    )


def _stated(text: str, start: int, end: int, others: Iterator[str | None]) -> StatedResult:
    own = text[start:end]
    capital = own[:1].isupper() and own[1:] == own[1:].lower()
    fitting = [each.capitalize() if capital else each for each in others if each is not None]
    return StatedResult(start, end, tuple(fitting[:_MOST_OTHERS]))


def _in_place_of(readings: Sequence[_Reading], other: str, alone: bool) -> str | None:
    """Another value where a word stands; None where its form there is not certain or the words around it would not fit.

    Args:
        readings: of the word.
        other: the value.
        alone: nothing else stands in the step, so that Russian words are in the nominative, and none has to agree.
    """
    own = [each for each in readings if each.form == _NOMINATIVE] if alone else []
    spelt = {_spelt(each, other, alone) for each in own or readings}
    return spelt.pop() if len(spelt) == 1 else None


def _spelt(own: _Reading, other: str, alone: bool) -> str | None:
    """The word for another value with the form that a reading has."""
    if own.kind in ("digits", "numeral"):
        if not alone and _agreement(own.value, own.language) != _agreement(other, own.language):
            return None
        return other if own.kind == "digits" else _NUMERALS[own.language][int(other)]
    if own.language == "en":
        return other
    if own.kind == "answer":
        return {"yes": "да", "no": "нет"}[other]
    if own.kind == "material":
        return _MATERIALS[other] if alone else None  # the two names differ in gender
    if own.kind == "noun":
        return noun_form(other, own.form) if alone or gender(other) == own.gender else None
    return adjective_form(other, own.gender, own.form)


def _agreement(number: str, language: str) -> int:
    """Numbers of one class take the same form of a noun; of digits, whose language is open, in both languages."""
    if number == "1":
        return 1
    return 0 if language == "en" else 2 if number in ("2", "3", "4") else 5


def _forms_of(phrase: Sequence[Sequence[_Reading]]) -> set[tuple[str, str, str]]:
    """(language, gender, form) in which all words of a noun phrase agree."""
    own = [{(each.language, each.gender, each.form) for each in readings} for readings in phrase]
    return set.intersection(*own)


def _label_in_place_of(forms: set[tuple[str, str, str]], label: str, alone: bool) -> str | None:
    """The label of another object where a noun phrase stands; None as of `_in_place_of`."""
    likely = {each for each in forms if each[2] in ("", _NOMINATIVE)} if alone else forms
    if len(likely) != 1:
        return None
    language, own, form = next(iter(likely))
    *attributes, noun = label.split()
    if language == "en":
        return label
    if noun not in NOUNS or not set(attributes) <= set(ADJECTIVES) or not (alone or gender(noun) == own):
        return None
    return " ".join([*(adjective_form(each, gender(noun), form) for each in attributes), noun_form(noun, form)])


_MATERIALS: Final = {"rubber": "резина", "metal": "металл"}


def _spellings() -> Iterator[tuple[str, _Reading]]:
    for number in _VALUES["count"]:
        yield number, _Reading(number, "", "digits")
        for language, numerals in _NUMERALS.items():
            yield numerals[int(number)], _Reading(number, language, "numeral")
    for value, russian in (("yes", "да"), ("no", "нет")):
        yield value, _Reading(value, "en", "answer")
        yield russian, _Reading(value, "ru", "answer")
    for value in (*ADJECTIVES, *NOUNS):
        kind = "noun" if value in NOUNS else "adjective"
        yield from ((word, _Reading(value, "en", kind)) for word in (value, *_ENGLISH.get(value, ())))
    yield from _russian_spellings()


def _russian_spellings() -> Iterator[tuple[str, _Reading]]:
    for value, own, form in itertools.product(ADJECTIVES, "mf", FORMS):
        yield adjective_form(value, own, form), _Reading(value, "ru", "adjective", own, form)
    for value, form in itertools.product(NOUNS, FORMS):
        yield noun_form(value, form), _Reading(value, "ru", "noun", gender(value), form)
    yield "шар", _Reading("sphere", "ru", "noun", "m", _NOMINATIVE)
    yield "кубик", _Reading("cube", "ru", "noun", "m", _NOMINATIVE)
    for value, name in _MATERIALS.items():
        yield name, _Reading(value, "ru", "material")


def _readings() -> Mapping[str, tuple[_Reading, ...]]:
    found: dict[str, dict[_Reading, None]] = defaultdict(dict)
    for word, reading in _spellings():
        found[fold(word)][reading] = None
    return {word: tuple(readings) for word, readings in found.items()}


_READINGS: Final = _readings()
"""Folded word of either language -> the ways to read it; all of them have one value."""
