"""Questions that are answered by one of two words: yes or no, true or false, да or нет."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from re import Pattern
from typing import Any

from lens_tasks.documents import label_of, nested
from lens_tasks.kinds import kind_of_question
from lens_tasks.target_types import AnswerTarget, Candidate
from lens_tasks.vocabulary import RIGHT_WRONG_RUSSIAN, TRUE_FALSE, YES_NO, YES_NO_RUSSIAN, pivot_of

__all__ = ["binary_of", "question_of", "yes_no_target"]


@dataclass(frozen=True)
class _Pair:
    """Two answers and how a prompt asks for one of them."""

    candidates: tuple[Candidate, ...]
    asked: Pattern[str]
    pivot: tuple[Candidate, ...] = ()


_THIRD = r"[\"'”’»]?\s*(?:/\s*\w|,?\s*(?:or|или)\b)"
_BETWEEN = r"[\s\"'”’»)]*(?:\bor\b|\bили\b|/|\||,(?:\s*(?:or|или)\b)?)[\s\"'“‘«(]*"


def _asked(positive: str, negative: str) -> Pattern[str]:
    """The two words side by side, and no third one before or after them."""
    return re.compile(
        rf"(?<!/)\b{positive}\b{_BETWEEN}\b{negative}\b(?!{_THIRD})(?<!,\s{negative}(?=,\s\w))", re.IGNORECASE
    )


_PAIRS = (
    _Pair(YES_NO, _asked("yes", "no")),
    _Pair(YES_NO_RUSSIAN, _asked("да", "нет"), pivot_of(YES_NO_RUSSIAN, YES_NO)),
    _Pair(TRUE_FALSE, _asked("true", "false")),
    _Pair(RIGHT_WRONG_RUSSIAN, _asked("верно", "неверно"), pivot_of(RIGHT_WRONG_RUSSIAN, TRUE_FALSE)),
)
_ONE_OF_THREE = re.compile(
    rf"\b(?:yes|да|true|верно)\b{_BETWEEN}\b(?:no|нет|false|неверно)\b(?:{_THIRD}|,\s\w)|/\s*(?:yes|да|true)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:if|when)\b[^.!?\n]*$|\bfor\s+(?:\w+\s+)?[\"'(]*(?:(?:yes|true)\b[^.!?\n]*)?$|\bесли\b[^.!?\n]*$",
    re.IGNORECASE,
)
_ASKS_WHAT = re.compile(
    r"\b(?:what|which|who|whose|whom|where|when|why|how)\b|\b(?:что|кто|чей|где|куда|когда|почему|сколько|как\w*)\b"
    r"|什么|谁|哪|几|多少",
    re.IGNORECASE,
)
_TELLS_TO = re.compile(
    r"^\s*(?:please\s+)?(?:transcribe|read|describe|name|write|count|translate|give|identify|caption|tell|list|find|spell)\b"
    r"|^\s*(?:пожалуйста,?\s+)?(?:прочит|опиш|назов|напиш|сосчитай|посчитай|переведи|найди|укажи|перечисли)",
    re.IGNORECASE | re.MULTILINE,
)
_ALTERNATIVES = re.compile(r"\b(?:or|или)\b", re.IGNORECASE)
_LONGEST_QUESTION = 1000
_WORD_FOR = {"1": 0, "true": 0, "0": 1, "false": 1}
_FIRST_WORD = re.compile(r"\s*(\w+)\s*(?:[,;:.!—–]|-\s|$)")


def yes_no_target(base: AnswerTarget, prompt: str, question: str) -> AnswerTarget | None:
    """`base` with the two candidates, where the prompt asks for one of two or the right answer is one; else None.

    True, 1 and a sentence that begins "No, ..." stand for one of the two where the prompt or the question is one that
    is answered by yes or no. Where acceptable answers contradict each other none is right.
    """
    asked = [pair for pair in _PAIRS if _asks(prompt, pair.asked)]
    by_wording = kind_of_question(question) == "yes_no"
    if not asked and (not base.gold_texts or _is_otherwise(question, prompt)):
        return None
    for pair in asked or _PAIRS:
        meant = (bool(asked) or by_wording) and _cyrillic(pair.candidates[0].label) == _cyrillic(prompt + question)
        labels = {_label(text, pair, meant=meant) for text in base.gold_texts}
        if None not in labels:
            return replace(
                base,
                candidates=pair.candidates,
                gold=labels.pop() if len(labels) == 1 else None,
                binary=binary_of(pair.candidates),
                pivot=pair.pivot,
                source="yes_no",
                from_gold=not asked and (not by_wording or _ALTERNATIVES.search(question) is not None),
            )
    return None


def _is_otherwise(question: str, prompt: str) -> bool:
    """Whether the wording is not that of a question for yes or no: a right answer "no" is then a word like others."""
    kind = kind_of_question(question)
    asks = question or prompt[-_LONGEST_QUESTION:]
    what = kind is None and any(wording.search(asks) for wording in (_ASKS_WHAT, _TELLS_TO))
    return what or kind not in (None, "yes_no") or _ONE_OF_THREE.search(prompt) is not None


def _cyrillic(text: str) -> bool:
    return re.search("[а-яё]", text, re.IGNORECASE) is not None


def _label(text: str, pair: _Pair, *, meant: bool) -> str | None:
    label = label_of(text, pair.candidates)
    if label is not None or not meant:
        return label
    if text.strip().lower() in _WORD_FOR:
        return pair.candidates[_WORD_FOR[text.strip().lower()]].label
    first = _FIRST_WORD.match(text)
    return label_of(first[1], pair.candidates) if first else None


def _asks(prompt: str, asked: Pattern[str]) -> bool:
    return any(
        not _CONDITION.search(prompt[max(0, match.start() - 300) : match.start()]) for match in asked.finditer(prompt)
    )


def question_of(doc: Mapping[str, Any], prompt: str) -> str:
    """The document's question, or the last question of the prompt; "" where there is none."""
    for value in (nested(doc, "question"), nested(doc, "Question"), nested(doc, "inputs", "question")):
        if isinstance(value, str) and value.strip():
            return value.strip()
    end = max(prompt.rfind("?"), prompt.rfind("？"))
    asked = re.split(r"[.!?？。\n]", prompt[max(0, end - _LONGEST_QUESTION) : max(0, end)])[-1] + "?"
    return re.sub(r"^\s*(?:question|q|вопрос)\s*:\s*", "", asked, flags=re.IGNORECASE).strip() if end > 0 else ""


def binary_of(candidates: Sequence[Candidate]) -> tuple[str, str] | None:
    """(positive label, negative label) of two candidates that are yes and no, in whatever order and language."""
    labels = {candidate.label.lower(): candidate.label for candidate in candidates}
    for pair in _PAIRS:
        positive, negative = (candidate.label for candidate in pair.candidates)
        if len(candidates) == 2 and set(labels) == {positive, negative}:
            return labels[positive], labels[negative]
    return None
