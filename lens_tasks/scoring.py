"""Scores of short answers: the strict one of the originals, and a lenient one beside it.

`exact_match` compares as MERA does: case and punctuation are ignored, blanks are not stripped. The lenient score and
the two shares beside it separate an answer in the wrong form from a wrong answer.
"""

from __future__ import annotations

import string
from collections.abc import Iterable

from lens_tasks.answers import NoAnswer, locate_answer, part_after_marker
from lens_tasks.target_types import AnswerTarget

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Lower case without ASCII punctuation; blanks stay, so that " 2" is not "2"."""
    return text.lower().translate(_NO_PUNCTUATION)


def exact_match(response: str, golds: Iterable[str]) -> float:
    """1.0 where the whole response equals one of the gold texts but for case and punctuation, else 0.0."""
    return float(normalise(response) in {normalise(gold) for gold in golds})


def short_answer_scores(response: str, target: AnswerTarget, question: str | None = None) -> dict[str, float]:
    """The scores of one response.

    exact_match: the strict score (see `exact_match`).
    exact_match_lenient: 1.0 where the whole response or the part after its answer marker is right, or where the
        located answer names the gold candidate.
    format_error: 1.0 where the strict score could not have been earned with any answer: neither the response nor the
        part after its marker is one of the allowed answers and nothing else. Closed tasks only.
    no_answer: 1.0 where no answer was found, or the text at its place names no candidate.

    The share of wrong answers is 1 - exact_match_lenient - no_answer. Without a gold answer only the last two are
    there.
    """
    parts = [response, *_trimmed(response)]
    located = locate_answer(response, target.candidates, kind=target.kind, question=question)
    label = None if isinstance(located, NoAnswer) else located.label
    scores = {}
    if target.gold_texts:
        strict = exact_match(response, target.gold_texts)
        named = label is not None and label == target.gold
        scores["exact_match"] = strict
        scores["exact_match_lenient"] = max(float(named), *(exact_match(part, target.gold_texts) for part in parts))
    if target.candidates:
        allowed = (*target.labels, *target.gold_texts)
        scores["format_error"] = float(not any(exact_match(part, allowed) for part in parts))
    missing = label is None if target.candidates else isinstance(located, NoAnswer)
    scores["no_answer"] = float(missing and not scores.get("exact_match_lenient"))
    return scores


def _trimmed(response: str) -> list[str]:
    part = part_after_marker(response)
    return [response.strip()] if part is None else [response.strip(), part.strip()]
