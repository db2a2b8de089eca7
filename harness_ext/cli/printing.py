"""A table as its reader wants it: rich tables on a terminal, else Markdown, CSV or LaTeX."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

if TYPE_CHECKING:
    from lens_report.presentation.document.blocks import Block, Section, Table
    from lens_report.presentation.document.shown import Shown
    from lens_report.presentation.leaderboard.forms import Board

__all__ = ["AsFormat", "Format", "print_board"]


class Format(str, Enum):
    """What a table is printed as."""

    table = "table"
    markdown = "markdown"
    csv = "csv"
    latex = "latex"


AsFormat = Annotated[
    Format | None,
    typer.Option("--format", help="By default a table on a terminal, else Markdown.", show_default=False),
]


def print_board(board: Board, form: Format | None) -> None:
    """Print a board; without a form as tables on a terminal, and as Markdown otherwise."""
    if form is None:
        form = Format.table if sys.stdout.isatty() else Format.markdown
    if form is Format.table:
        console = Console()
        for each in _document(board, console):
            console.print(each)
        return
    texts = {Format.markdown: board.to_markdown, Format.csv: board.to_csv, Format.latex: board.to_latex}
    typer.echo(texts[form](), nl=form is Format.markdown)


def _document(board: Board, console: Console) -> Iterator[RenderableType]:
    document = board.shown()
    yield Text(document.title, style="bold")
    for section in document.sections:
        yield from _section(section, console)


def _section(section: Section, console: Console) -> Iterator[RenderableType]:
    yield Padding(Text(section.title, style="bold cyan"), (1, 0, 0, 0))
    for block in section.blocks:
        yield from _block(block, console)
    for below in section.sections:
        yield from _section(below, console)


def _block(block: Block, console: Console) -> Iterator[RenderableType]:
    # by attribute, for the classes belong to a package that is loaded only once a command runs
    rows, sentences = getattr(block, "rows", None), getattr(block, "sentences", ())
    if rows is not None:
        yield from _table(block, console)  # type: ignore[arg-type]
        sentences = block.note  # type: ignore[union-attr]
        yield Text(" ".join(sentence.text for sentence in sentences), style="dim")
    elif getattr(block, "bullets", False):
        yield from (Text(f"• {sentence.text}") for sentence in sentences)
    else:
        yield Text(" ".join(sentence.text for sentence in sentences))


def _table(table: Table, console: Console) -> Iterator[RenderableType]:
    """One table where its numbers fit into the width, else a short list a row."""
    whole = RichTable(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for place, name in enumerate(table.columns):
        cells = [row[place] for row in table.rows]
        numeric = bool(cells) and all(_is_number(cell) for cell in cells)
        whole.add_column(Text(name), justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for row in table.rows:
        whole.add_row(*(Text(cell.text) for cell in row))
    if Measurement.get(console, console.options.update(max_width=10_000), whole).minimum <= console.width:
        yield whole
    else:
        yield from (_listed(table.columns, row) for row in table.rows)


def _listed(columns: Sequence[str], row: Sequence[Shown]) -> RenderableType:
    """A row as a list: its first two cells as the title, what is missing left out."""
    title = Text(" · ".join(cell.text for cell in row[:2]), style="bold")
    lines = RichTable(title=title, title_justify="left", box=None, show_header=False, pad_edge=False)
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    for name, cell in zip(columns[2:], row[2:], strict=True):
        if cell.text and cell.value is not None:
            lines.add_row(Text(name), Text(cell.text))
    return Padding(lines, (1, 0, 0, 0))


def _is_number(cell: Shown) -> bool:
    return cell.value is None or isinstance(cell.value, (int, float, list))
