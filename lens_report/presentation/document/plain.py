"""Results as plain JSON values: every number that a report shows, and those behind it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any

import numpy as np

from lens_report.presentation.document.blocks import Document, Paragraph, Picture, Sentence, Table
from lens_report.presentation.document.shown import Shown


def plain(value: Any) -> Any:
    """Data classes, arrays and mappings as JSON values; a number that is not finite becomes None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if isfinite(value) else None
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)


def findings(document: Document) -> list[dict[str, Any]]:
    """Every sentence of the document with its section and the values in it."""
    found = []
    for section, block in document.blocks():
        sentences = block.sentences if isinstance(block, Paragraph) else getattr(block, "note", ())
        found += [{"section": section.title, **_sentence(sentence)} for sentence in sentences]
    return found


def tables(document: Document) -> list[dict[str, Any]]:
    """Every table with values and printed forms."""
    return [
        {
            "section": section.title,
            "name": block.name,
            "columns": list(block.columns),
            "rows": [[_shown(cell) for cell in row] for row in block.rows],
        }
        for section, block in document.blocks()
        if isinstance(block, Table)
    ]


def pictures(document: Document) -> list[dict[str, str]]:
    """Every figure with its files."""
    return [
        {"section": section.title, "png": f"{block.stem}.png", "svg": f"{block.stem}.svg", "caption": block.caption}
        for section, block in document.blocks()
        if isinstance(block, Picture)
    ]


def _sentence(sentence: Sentence) -> dict[str, Any]:
    values = {name: _shown(value) for name, value in sentence.values.items()}
    return {"text": sentence.text, "headline": sentence.headline, "values": values}


def _shown(value: Shown) -> dict[str, Any]:
    return {"value": plain(value.value), "shown": value.text}
