"""A document as Markdown. Text from data sets and models is escaped: it can neither make markup nor break a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lens_report.presentation.document.blocks import Block, Document, Paragraph, Picture, Section, Table

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~$])")


def escape(text: str) -> str:
    """Text as Markdown shows it literally, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("&", "&amp;")


def markdown(document: Document) -> str:
    """The document as Markdown with GitHub's tables."""
    lines = [f"# {escape(document.title)}", ""]
    for section in document.sections:
        lines.extend(_section(section, 2))
    return "\n".join(lines).rstrip() + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = ["| " + " | ".join(escape(name) for name in columns) + " |", "|" + " --- |" * len(columns)]
    return lines + ["| " + " | ".join(escape(cell) for cell in row) + " |" for row in rows]


def _section(section: Section, level: int) -> Iterator[str]:
    yield from (f"{'#' * level} {escape(section.title)}", "")
    for block in section.blocks:
        yield from _block(block)
        yield ""
    for below in section.sections:
        yield from _section(below, level + 1)


def _block(block: Block) -> list[str]:
    if isinstance(block, Paragraph):
        texts = [escape(sentence.text) for sentence in block.sentences]
        return [f"- {text}" for text in texts] if block.bullets else [" ".join(texts)]
    if isinstance(block, Picture):
        return [f"![{escape(block.caption)}]({block.stem}.png)", "", f"*{escape(block.caption)}*"]
    return _table(block)


def _table(block: Table) -> list[str]:
    lines = table(block.columns, [[cell.text for cell in row] for row in block.rows])
    if block.note:
        lines += ["", " ".join(escape(sentence.text) for sentence in block.note)]
    return lines
