"""The three parts of the report import each other in one direction: presentation, measures, stats."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lens_report

HOME = Path(lens_report.__file__).parent
ALLOWED = {
    "stats": {"stats"},
    "measures": {"stats", "measures"},
    "presentation": {"stats", "measures", "presentation"},
}


def imported(file: Path) -> set[str]:
    """Modules that a file names in its imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative import"
            found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_those_below_it(part: str) -> None:
    for file in (HOME / part).rglob("*.py"):
        ours = [name.split(".") for name in imported(file)]
        parts = {name[1] for name in ours if name[0] == "lens_report"}
        assert parts <= ALLOWED[part], file
        if part == "stats":
            assert not any(name[0] == "lens_results" for name in ours), f"{file}: statistics know of no records"


def test_nothing_stands_beside_the_three_parts() -> None:
    folders = {path.parent.name for path in HOME.glob("*/__init__.py")}
    modules = {path.name for path in HOME.glob("*.py")}
    assert (folders, modules) == (set(ALLOWED), {"__init__.py"})
