"""A document and the explorer's data as one self-contained HTML file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lens_report.presentation.document.blocks import Block, Document, Picture, Table

if TYPE_CHECKING:
    from lens_report.presentation.explorer.payload import ExplorerData

SCRIPT = ("page", "list", "chart", "sample")
"""Files of `explorer/script/`, in an order in which each constant stands before what is computed from it at once."""


def render_html(document: Document, data: ExplorerData, folder: Path) -> str:
    """The HTML of a report; figures are read from below `folder` and put inline.

    All text goes through the template's escaping; only this package's own style and script are trusted.
    """
    template = environment().get_template("report.html.j2")
    return template.render(
        document=document,
        data=data,
        kind=lambda block: type(block).__name__,
        inline=lambda picture: _inline(picture, folder),
        style=trusted("report.css"),
        script=script(),
    )


def render_tables(title: str, tables: Sequence[Table], blocks: Sequence[Block] = ()) -> str:
    """A page of tables alone, for the leaderboard."""
    return (
        environment()
        .get_template("tables.html.j2")
        .render(
            title=title,
            tables=tables,
            blocks=blocks,
            kind=lambda block: type(block).__name__,
            style=trusted("report.css"),
        )
    )


def environment() -> Environment:
    """Templates of `lens_report/explorer`, escaping everything."""
    return Environment(
        loader=PackageLoader("lens_report.presentation", "explorer"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


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
