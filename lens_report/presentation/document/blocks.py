"""What a report is made of, before it is Markdown or HTML: the same blocks make both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lens_report.presentation.document.shown import Shown


@dataclass(frozen=True)
class Sentence:
    """A sentence that was made from numbers.

    Attributes:
        text: As printed.
        values: Name -> what was put into it.
        headline: Whether it belongs to the summary.
        template: What it was made of, with names in the place of the values.
    """

    text: str
    values: dict[str, Shown] = field(default_factory=dict)
    headline: bool = False
    template: str = ""


def say(template: str, *, headline: bool = False, **values: Shown) -> Sentence:
    """Fill a template such as `"{n} samples were read."`; it holds no digits itself, so that none escapes stats.json.

    Raises:
        ValueError: The template holds a digit.
    """
    if re.search(r"\d", re.sub(r"\{\w*\}", "", template)):
        raise ValueError(f"a template holds no digits, put the number in as a value: {template!r}")
    text = template.format(**{name: value.text for name, value in values.items()})
    return Sentence(text, values, headline, template)


@dataclass(frozen=True)
class Paragraph:
    """Sentences in a row, or one a line."""

    sentences: tuple[Sentence, ...]
    bullets: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: For stats.json.
        columns: Headings.
        rows: Cells, as many as columns.
        note: Sentences below it.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Shown, ...], ...]
    note: tuple[Sentence, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A figure on disk.

    Attributes:
        stem: Path below the report's folder, without the ending.
        caption: What is seen.
    """

    stem: str
    caption: str


Block = Paragraph | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading with blocks, and sections below it."""

    title: str
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()

    def walk(self) -> Iterator[Section]:
        """This section and all below it."""
        yield self
        for section in self.sections:
            yield from section.walk()


@dataclass(frozen=True)
class Document:
    """A report."""

    title: str
    sections: tuple[Section, ...]

    def blocks(self) -> Iterator[tuple[Section, Block]]:
        """Every block with its section, in order."""
        for top in self.sections:
            for section in top.walk():
                for block in section.blocks:
                    yield section, block


def bullets(sentences: Sequence[Sentence]) -> tuple[Block, ...]:
    """A list of sentences; nothing for none."""
    return (Paragraph(tuple(sentences), bullets=True),) if sentences else ()


def paragraph(*sentences: Sentence | None) -> tuple[Block, ...]:
    """A paragraph of the sentences that there are; nothing for none."""
    kept = tuple(sentence for sentence in sentences if sentence is not None)
    return (Paragraph(kept),) if kept else ()
