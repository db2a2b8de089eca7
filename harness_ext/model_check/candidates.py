"""Does the tokenizer of a model tell the candidates of a task apart?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lens_models.candidates import FIRST_TOKEN, candidate_tokens
from lens_tasks import AnswerTarget

__all__ = ["NOT_ENCODABLE", "OPEN", "CandidateSet", "candidate_sets"]

NOT_ENCODABLE = "not_encodable"
OPEN = "open"


@dataclass(frozen=True)
class CandidateSet:
    """Candidates with the same labels that are read in the same way, in the tokens of one model.

    Attributes:
        labels: candidate labels; empty for documents without candidates (open answers).
        method: `first_token` where one token tells the candidates apart; `teacher_forced` where their full token
            sequences have to be scored; `not_encodable` where a candidate has no tokens at all; `open`.
        n_documents: how many of the documents looked at have such candidates.
        collisions: which token belongs to several candidates, and which candidate has none of its own.
    """

    labels: tuple[str, ...]
    method: str
    n_documents: int
    collisions: tuple[str, ...]


def candidate_sets(tokenizer: Any, targets: Iterable[AnswerTarget]) -> list[CandidateSet]:
    """The distinct candidate sets of some targets, the most frequent one first.

    Args:
        tokenizer: the model's tokenizer.
        targets: the answer targets of some documents of a task.
    """
    found: dict[tuple[tuple[str, ...], str], list[tuple[str, ...]]] = {}
    for target in targets:
        method, collisions = _examined(tokenizer, target)
        found.setdefault((target.labels, method), []).append(collisions)
    sets = [
        CandidateSet(labels, method, len(lines), tuple(dict.fromkeys(line for own in lines for line in own)))
        for (labels, method), lines in found.items()
    ]
    return sorted(sets, key=lambda each: -each.n_documents)


def _examined(tokenizer: Any, target: AnswerTarget) -> tuple[str, tuple[str, ...]]:
    if not target.candidates:
        return OPEN, ()
    tokens = candidate_tokens(tokenizer, [each.variants for each in target.candidates], labels=target.labels)
    readable = tokens.method == FIRST_TOKEN or all(tokens.sequences)
    return tokens.method if readable else NOT_ENCODABLE, tokens.collisions
