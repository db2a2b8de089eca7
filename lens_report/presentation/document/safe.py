"""JSON that a page can hold."""

from __future__ import annotations

import json
from typing import Any

from markupsafe import Markup

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def safe_json(value: Any) -> Markup:
    """JSON that can stand inside a script element: it holds no `<`, `>` or `&`."""
    text = json_text(value)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)


def json_text(value: Any) -> str:
    """JSON without spaces and without numbers that are not finite."""
    return _ENCODER.encode(value)
