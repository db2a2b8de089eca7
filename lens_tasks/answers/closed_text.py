"""A response to a closed task: its text, the part of it that may answer, the candidates."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lens_tasks.naming import Named
from lens_tasks.target_types import Candidate

from .scope import Scope

__all__ = ["CLAUSE_END", "CONTENT", "SENTENCE_END", "ClosedText", "Stated", "clause_from"]

CONTENT = re.compile(r"[^\W_]")
CLAUSE_END = re.compile(r"[\s*_\"'»”)\]}<|/.,;:!…—–-]*(?:$|[\n.,;:!…—–(\[{}<])")
SENTENCE_END = re.compile(r"[*_\"'»”)\]}]*(?:\s*$|[.!;…\n<|}])")


@dataclass(frozen=True)
class ClosedText:
    """A response and what it may answer.

    Attributes:
        body: the response up to the end of `scope`, with plain characters.
        scope: the part of it that may answer.
        candidates: the closed set.
        kind: the kind of candidate that the question asks for, where it is known.
        question: what was asked, where it is known.
    """

    body: str
    scope: Scope
    candidates: tuple[Candidate, ...]
    kind: str | None
    question: str | None

    def fits(self, named: Named) -> bool:
        """Whether a candidate is of the kind asked for, as far as that is known."""
        return self.kind is None or named.kind is None or named.kind == self.kind


@dataclass(frozen=True)
class Stated:
    """A candidate stated at a place, and what announced it there."""

    named: Named
    rule: str

    @property
    def announced(self) -> bool:
        """Whether a marker or a phrase announced it."""
        return self.rule in ("after_marker", "after_phrase")


def clause_from(body: str, place: int) -> str:
    """The rest of the sentence from `place` on."""
    rest = re.match(r"[^.!?;\n]*", body[place:])
    return rest.group() if rest else ""
