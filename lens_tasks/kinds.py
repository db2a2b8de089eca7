"""Which kind of answer a question about objects asks for: yes or no, a number, colour, shape, size or material."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lens_tasks.target_types import Candidate

__all__ = ["kind_of", "kind_of_question"]

_ENGLISH_THING = {"colour": "colou?r", "shape": "shape", "size": "size", "material": "material"}
_RUSSIAN_THING = {"colour": "цвет", "shape": "(?:форм|фигур)", "size": "размер", "material": "материал"}
_FURTHER = {
    "size": r"how\s+(?:big|large)",
    "material": r"made\s+(?:out\s+)?of(?:\s+what(?:\s+material)?)?\s*(?:\?|$)|из\s+чего",
}


def _asks_for(thing: str) -> re.Pattern[str]:
    """Wordings like "What colour is", "what is its colour", "has what colour", "какого цвета", "какой у него цвет"."""
    english, russian = _ENGLISH_THING[thing], _RUSSIAN_THING[thing]
    wordings = [
        rf"what\s+{english}\b",
        rf"what\s+(?:is|are)\s+(?:its|their|the)\s+{english}\b",
        rf"как(?:ой|ая|ого|ую|ова|ов|им|ом)(?:\s+(?:у\s+\w+|имеет|это|будет))?\s+{russian}",
        rf"(?:назови|укажи|определи)(?:те)?\s+{russian}",
    ]
    return re.compile(rf"\b(?:{'|'.join([*wordings, *filter(None, [_FURTHER.get(thing)])])})", re.IGNORECASE)


_ASKED = {
    "number": re.compile(
        r"\bhow\s+many\b|\bwhat\s+(?:is\s+the\s+)?number\s+of\b|(?<!столько же,\s)(?<!столько же\s)\bсколько\b",
        re.IGNORECASE,
    ),
    **{thing: _asks_for(thing) for thing in _ENGLISH_THING},
    "yes_no": re.compile(
        r"^\s*(?:(?:is|are|was|were|does|do|did|has|have|can)\b|(?:есть|имеется|имеют|имеет|верно|правда)\b"
        r"|(?:\w+\s+){1,3}ли\b)",
        re.IGNORECASE,
    ),
}


def kind_of_question(question: str) -> str | None:
    """The kind that the wording asks for; None where it asks for none of them or for more than one.

    Of a question in clauses ("There is a cube; what is its colour?") the last counts.
    """
    clause = re.split(r"[;.](?=\s)", question.strip().rstrip("."))[-1]
    asked = [kind for kind, wording in _ASKED.items() if wording.search(clause)]
    return asked[0] if len(asked) == 1 else None


def kind_of(
    documented: str | None, question: str, gold: str | None, candidates: Sequence[Candidate]
) -> tuple[str | None, str | None]:
    """(kind asked for, how it is known): what the document says, else the wording, else the gold answer's own kind.

    Where the gold answer is of another kind than the document or the wording says, neither is sure: (None, None).
    """
    of_gold = next((candidate.kind for candidate in candidates if candidate.label == gold), None)
    kind = documented or kind_of_question(question)
    if kind is None:
        return (of_gold, "gold") if of_gold else (None, None)
    if of_gold is not None and of_gold != kind:
        return None, None
    return kind, "document" if documented else "question"
