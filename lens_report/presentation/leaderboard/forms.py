"""What all leaderboards are written as: Markdown, HTML, LaTeX and CSV."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from csv import DictWriter
from pathlib import Path
from typing import ClassVar

import pandas as pd

from lens_report.presentation.document.blocks import Document, Section, Table
from lens_report.presentation.document.html import render_html
from lens_report.presentation.document.markdown import markdown
from lens_report.presentation.language import catalogue, translated


class Board(ABC):
    """A comparison of runs; its first section holds the table itself, and its files have `file_name`.

    Attributes:
        language: Of the written forms but the CSV, whose columns are for programs: "en" or "ru".
    """

    file_name: ClassVar[str] = "leaderboard"
    language: str

    @abstractmethod
    def document(self) -> Document:
        """Tables, notes and what is said beside them, in English."""

    @abstractmethod
    def to_csv(self) -> str:
        """The table with plain numbers."""

    def to_markdown(self) -> str:
        """The document as Markdown."""
        return markdown(self.shown())

    def to_html(self) -> str:
        """The same as one self-contained page."""
        return render_html(self.shown(), texts=catalogue(self.language))

    def to_latex(self) -> str:
        """The tables for a paper (booktabs and, for Cyrillic names, a Unicode engine)."""
        blocks = [block for section in self.for_papers() for block in section.blocks]
        return "\n".join(_latex(block) for block in blocks if isinstance(block, Table))

    def for_papers(self) -> Iterable[Section]:
        """The sections whose tables belong into a paper: the first."""
        return self.shown().sections[:1]

    def shown(self) -> Document:
        """The document in the board's language."""
        return translated(self.document(), catalogue(self.language))

    def write(self, out: str | Path) -> dict[str, Path]:
        """Write .md, .html, .tex and .csv into a folder: ending -> file."""
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "md": self.to_markdown(), "html": self.to_html(), "tex": self.to_latex(), "csv": self.to_csv(),
        }  # fmt: skip
        files = {kind: folder / f"{self.file_name}.{kind}" for kind in texts}
        for kind, path in files.items():
            path.write_text(texts[kind], encoding="utf-8")
        return files


def csv(rows: Iterable[Mapping[str, object]]) -> str:
    """Rows with the same keys; a text that a spreadsheet would run as a formula gets a leading apostrophe."""
    found = list(rows)
    text = io.StringIO()
    writer = DictWriter(text, fieldnames=list(found[0]) if found else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _no_formula(value) for name, value in row.items()} for row in found)
    return text.getvalue()


def _no_formula(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _latex(table: Table) -> str:
    cells = [[cell.text for cell in row] for row in table.rows]
    text = pd.DataFrame(cells, columns=list(table.columns)).to_latex(index=False, escape=True)
    note = " ".join(sentence.text for sentence in table.note).replace("%", r"\%")
    return f"{text}\n{note}\n"
