"""Tables on the screen and JSON files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .checks import Check
from .ratios import Spread

__all__ = ["Column", "show", "write_json"]


@dataclass(frozen=True)
class Column:
    """A column of a table: which key of a row, and its heading."""

    key: str
    title: str


def show(title: str, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as a table; a missing value is an empty cell."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column.title, justify="left" if column is columns[0] else "right")
    for row in rows:
        table.add_row(*(_cell(row.get(column.key)) for column in columns))
    Console(width=160).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def write_json(
    path: Path, machine: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], checks: Iterable[Check] = ()
) -> None:
    """Write what was measured on what, and which targets were met."""
    listed = [asdict(check) | {"met": check.met} for check in checks]
    content = {"machine": dict(machine), "rows": [dict(row) for row in rows], "checks": listed}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(content), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Five significant digits; more would only make the files differ. No value where there is no number."""
    if isinstance(value, Spread):
        return _rounded(asdict(value))
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None  # JSON has no NaN
    return value
