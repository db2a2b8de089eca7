"""The questions of sound_mini and their answers, in English and Russian."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LANGUAGES: Final = ("en", "ru")
LETTERS: Final = "ABCD"
DIGITS: Final = tuple(str(digit) for digit in range(10))
_BY_LETTER: Final = {"en": "Answer with the option's letter.", "ru": "Ответь буквой варианта."}


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        text: by language.
        answers: by language, the word for each key, in the order in which a prompt lists them.
        one_of: by language, what asks for a word.
    """

    text: dict[str, str]
    answers: dict[str, dict[str, str]]
    one_of: dict[str, str]

    @property
    def keys(self) -> tuple[str, ...]:
        """What is true of a clip, whatever the language."""
        return tuple(self.answers["en"])

    def instruction(self, language: str, *, by_letter: bool) -> str:
        """What asks for a letter or a word."""
        return _BY_LETTER[language] if by_letter else self.one_of[language]


def _question(en: str, ru: str, words: dict[str, str], digits: bool = False) -> Question:
    answers = {"en": {key: key for key in words}, "ru": words}
    if digits:
        one_of = {"en": "Answer with a digit.", "ru": "Ответь цифрой."}
    else:
        one_of = {
            "en": f"Answer with one word: {_listed(list(answers['en'].values()), 'or')}.",
            "ru": f"Ответь одним словом: {_listed(list(words.values()), 'или')}.",
        }
    return Question({"en": en, "ru": ru}, answers, one_of)


def _listed(words: Sequence[str], last: str) -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


_KINDS: Final = {"tone": "тон", "noise": "шум", "click": "щелчок", "sweep": "свип"}

QUESTIONS: Final[dict[str, Question]] = {
    "pitch": _question(
        "Is the second tone higher or lower than the first, or equal to it?",
        "Второй тон выше первого, ниже его или равен ему?",
        {"higher": "выше", "lower": "ниже", "equal": "равен"},
    ),
    "count": _question(
        "How many beeps are there?", "Сколько гудков в записи?", {digit: digit for digit in "1234"}, digits=True
    ),
    "first": _question("Which sound comes first?", "Какой звук первый?", _KINDS),
    "last": _question("Which sound comes last?", "Какой звук последний?", _KINDS),
    "duration": _question(
        "Is the second sound longer or shorter than the first, or equal to it?",
        "Второй звук длиннее первого, короче его или равен ему?",
        {"longer": "длиннее", "shorter": "короче", "equal": "равен"},
    ),
    "sweep": _question(
        "Does the pitch of the tone rise, fall or stay?",
        "Высота тона растёт, падает или постоянна?",
        {"rises": "растёт", "falls": "падает", "stays": "постоянна"},
    ),
    "digit": _question(
        "Which digit is spoken?", "Какая цифра произнесена?", {digit: digit for digit in DIGITS}, digits=True
    ),
}
"""Question -> wording. Those of order are `first` and `last`."""


def filled(question: str, options: Sequence[str], instruction: str) -> str:
    """A question with its options (words) under letters, if there are any, and what asks for a letter or a word."""
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines, instruction])


def prompt(question: str, language: str, options: Sequence[str]) -> str:
    """The prompt of a question by its name; without options it asks for a word."""
    asked = QUESTIONS[question]
    return filled(asked.text[language], options, asked.instruction(language, by_letter=bool(options)))
