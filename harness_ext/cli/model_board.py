"""What `mmlens check` found, in the forms that all commands print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lens_report.presentation.document.blocks import Document, Section, Table
from lens_report.presentation.document.shown import named
from lens_report.presentation.leaderboard.forms import Board, csv

__all__ = ["ModelBoard", "Part"]


@dataclass(frozen=True)
class Part:
    """Findings that belong together: what was looked at, and what was found."""

    title: str
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class ModelBoard(Board):
    """Findings about one model, part by part."""

    file_name: ClassVar[str] = "check"
    model: str
    parts: Sequence[Part]
    language: str = "en"

    def document(self) -> Document:
        """A section a part."""
        return Document(f"mmlens check {self.model}", tuple(_section(part) for part in self.parts))

    def for_papers(self) -> Iterable[Section]:
        """All of them."""
        return self.shown().sections

    def to_csv(self) -> str:
        """`part,what,found`, one row a finding."""
        return csv(
            {"part": part.title, "what": what, "found": found} for part in self.parts for what, found in part.rows
        )


def _section(part: Part) -> Section:
    rows = tuple((named(what), named(found)) for what, found in part.rows)
    return Section(part.title, (Table("findings", ("what", "found"), rows),))
