"""A document, or a figure, with its texts in another language; numbers and names stay."""

from __future__ import annotations

from dataclasses import replace

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator

from lens_report.presentation.document.blocks import Block, Document, Paragraph, Picture, Section, Sentence
from lens_report.presentation.document.shown import Shown
from lens_report.presentation.figures.style import filled
from lens_report.presentation.language.catalogue import PLACE, Catalogue


def translated(document: Document, catalogue: Catalogue) -> Document:
    """The document in the language of a catalogue; its numbers, tables and files are the same."""
    if not catalogue.texts:
        return document
    return Document(catalogue.text(document.title), tuple(_section(one, catalogue) for one in document.sections))


def translated_figure(figure: Figure, catalogue: Catalogue) -> Figure:
    """The same figure, its titles, axes, legends and footnote changed in place."""
    if not catalogue.texts:
        return figure
    for note in figure.texts:
        note.set_text(filled(figure, catalogue.text(" ".join(note.get_text().split()))))
    for part in (*figure.axes, *figure.legends):
        for text in part.findobj(Text):
            text.set_text(_lines(text.get_text(), catalogue))
    for axis in figure.findobj(Axis):
        if isinstance(axis.get_major_locator(), FixedLocator):  # its labels are written anew whenever it is drawn
            labels = [_lines(label.get_text(), catalogue) for label in axis.get_ticklabels()]
            axis.set_ticks(axis.get_ticklocs(), labels=labels)
    return figure


def _lines(written: str, catalogue: Catalogue) -> str:
    return "\n".join(map(catalogue.text, written.split("\n")))


def _section(section: Section, catalogue: Catalogue) -> Section:
    return Section(
        catalogue.text(section.title),
        tuple(_block(one, catalogue) for one in section.blocks),
        tuple(_section(one, catalogue) for one in section.sections),
    )


def _block(block: Block, catalogue: Catalogue) -> Block:
    if isinstance(block, Picture):
        return replace(block, caption=catalogue.text(block.caption))
    if isinstance(block, Paragraph):
        return replace(block, sentences=tuple(_sentence(one, catalogue) for one in block.sentences))
    return replace(
        block,
        columns=tuple(map(catalogue.text, block.columns)),
        rows=tuple(tuple(_shown(cell, catalogue) for cell in row) for row in block.rows),
        note=tuple(_sentence(one, catalogue) for one in block.note),
    )


def _sentence(sentence: Sentence, catalogue: Catalogue) -> Sentence:
    values = {name: _shown(value, catalogue) for name, value in sentence.values.items()}
    template = catalogue.template(sentence.template)
    text = template.format(**{name: one.text for name, one in values.items()})
    first = PLACE.match(template)
    begins = first is not None and values[first[1]].text != sentence.values[first[1]].text
    return replace(sentence, values=values, text=text[:1].upper() + text[1:] if begins else text)


def _shown(shown: Shown, catalogue: Catalogue) -> Shown:
    """A value with its printed form in the language; of a list each part, for a part may hold a comma."""
    if shown.is_name:
        return shown
    if isinstance(shown.value, list) and shown.value and all(isinstance(one, str) for one in shown.value):
        return replace(shown, text=", ".join(catalogue.text(str(one)) for one in shown.value))
    return replace(shown, text=catalogue.text(shown.text))
