"""What a search for the answer works on, and what it finds: the answer's place, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lens_tasks.naming import Named
from lens_tasks.target_types import Candidate

__all__ = ["AnswerSpan", "ClosedText", "NoAnswer", "Scope", "Stated"]


@dataclass(frozen=True)
class AnswerSpan:
    """The answer within a response.

    Attributes:
        start: character of the response at which the answer begins.
        end: one past its last character.
        text: `response[start:end]`: the words that name a candidate, else the answer as it was given.
        rule: what announced it: `after_marker`, `after_phrase`, `after_total`, `after_think`, `after_lead_in`,
            `in_phrase`, `first_content` or `task_filter`; with `:no_candidate` behind it where the
            whole response is an answer outside the closed set.
        aligned: whether the place is certain. Always true of a span that `locate_answer` returns.
        label: label of the candidate it names, or None.
        decided_at: character at which the answer is decided, and the lens is read: `start`, or where an open answer
            has its first word that is no article.
    """

    start: int
    end: int
    text: str
    rule: str
    aligned: bool
    label: str | None
    decided_at: int = -1

    def __post_init__(self) -> None:
        if self.decided_at < 0:
            object.__setattr__(self, "decided_at", self.start)

    def moved(self, by: int) -> AnswerSpan:
        """The same answer in a text that begins `by` characters earlier."""
        return replace(self, start=self.start + by, end=self.end + by, decided_at=self.decided_at + by)


@dataclass(frozen=True)
class NoAnswer:
    """No answer could be located with certainty; `reason` says why."""

    reason: str


@dataclass(frozen=True)
class Scope:
    """Characters `begin` to `end` of a response, and the rule by which an answer at their beginning is found."""

    begin: int
    end: int
    rule: str


@dataclass(frozen=True)
class Stated:
    """A candidate stated at a place, and the rule that found it there."""

    named: Named
    rule: str

    @property
    def announced(self) -> bool:
        """Whether a marker or a phrase announced it."""
        return self.rule in ("after_marker", "after_phrase")


@dataclass(frozen=True)
class ClosedText:
    """A response to a closed task and what it may answer.

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

    def words(self, named: Named) -> str:
        """The characters that name a candidate."""
        return self.body[named.start : named.end]

    def span(self, stated: Stated) -> AnswerSpan:
        """The answer that was stated."""
        named = stated.named
        return AnswerSpan(named.start, named.end, self.words(named), stated.rule, True, named.label)

    def is_letter(self, named: Named) -> bool:
        """Whether a single letter names it."""
        return named.end - named.start == 1 and self.body[named.start].isalpha()
