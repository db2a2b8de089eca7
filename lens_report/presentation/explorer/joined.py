"""The page's script, joined from one file a purpose; a page that opens from disk cannot load modules."""

from __future__ import annotations

from importlib import resources

from markupsafe import Markup

PARTS = ("elements", "data", "list", "chart", "curves", "tokens", "sample", "opening", "tabs", "keys", "start")
"""Files of `script/`, in an order in which each constant stands before what is computed from it at once."""


def joined_script() -> Markup:
    """All parts in one function scope, and the call of `start`."""
    folder = resources.files("lens_report.presentation.explorer").joinpath("script")
    parts = [folder.joinpath(f"{name}.js").read_text(encoding="utf-8").strip() for name in PARTS]
    return Markup("\n\n".join(['"use strict";\n(() => {', *parts, "start();\n})();"]))
