"""A document and the explorer's data as one self-contained HTML file."""

from __future__ import annotations

import base64
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lens_report.presentation.document.blocks import Document, Picture
from lens_report.presentation.document.safe import safe_json
from lens_report.presentation.language.catalogue import ENGLISH, Catalogue

if TYPE_CHECKING:
    from lens_report.presentation.explorer.payload import ExplorerData

SCRIPT = ("page", "data", "filters", "histogram", "list", "chart", "picture", "video", "sample", "steps", "tokens")
"""Files of `explorer/script/`, in an order in which each constant stands before what is computed from it at once."""


def render_html(
    document: Document, data: ExplorerData | None = None, folder: Path | None = None, texts: Catalogue = ENGLISH
) -> str:
    """The HTML of a document, with the sample explorer where there are data for it.

    All text goes through the template's escaping; only this package's own style and script are trusted.

    Args:
        document: What is said and shown.
        data: Contents of the explorer; None for a page without one.
        folder: Figures are read from below it and put inline; None for a document without figures.
        texts: Of what the page itself says; the document is in that language already.
    """
    template = environment().get_template("report.html.j2")
    return template.render(
        document=document,
        data=data,
        kind=lambda block: type(block).__name__,
        inline=lambda picture: _inline(picture, folder or Path()),
        style=trusted("report.css"),
        script=script(),
        t=texts.of_the_page,
        language=texts.language,
        notes=[texts.text(note) for note in data.notes] if data else [],
        texts=safe_json(texts.page),
    )


def environment() -> Environment:
    """Templates of `lens_report/explorer`, escaping everything."""
    found = Environment(
        loader=PackageLoader("lens_report.presentation", "explorer"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["unbroken"] = unbroken
    return found


def unbroken(text: str) -> str:
    """The text with no line break before `%`, behind `<`, in `n = 30` and `p 0.003`, or within an interval."""
    text = re.sub(r"(?<=\d) (?=%)|(?<=<) (?=\d)|(?<=\bn) (?== \d)|(?<=\bn =) (?=\d)|(?<=\bp) (?=[<\d])", "\u00a0", text)
    return re.sub(r"\[[-\d., ∞]+\]", lambda found: found[0].replace(" ", "\u00a0"), text)


def trusted(name: str) -> Markup:
    """A style or script of this package, as it is."""
    return Markup(resources.files("lens_report.presentation.explorer").joinpath(name).read_text(encoding="utf-8"))


def script() -> Markup:
    """The explorer's script: its files in one function scope, for a page that opens from disk cannot load modules."""
    parts = [trusted(f"script/{name}.js").strip() for name in SCRIPT]
    return Markup("\n\n".join(['"use strict";\n(() => {', *parts, "start();\n})();"]))


def _inline(picture: Picture, folder: Path) -> str:
    """The picture as a data address."""
    data = (folder / f"{picture.stem}.svg").read_bytes()
    return "data:image/svg+xml;base64," + base64.b64encode(data).decode("ascii")
