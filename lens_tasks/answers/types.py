"""What a search for the answer in a response finds: its place, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["AnswerSpan", "NoAnswer"]


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
