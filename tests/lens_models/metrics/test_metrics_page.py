"""docs/metrics.md lists exactly the metrics of the registry, with their units, in their order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lens_models.metrics import METRICS, Thresholds, names

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))


def rows(section: str, columns: int) -> list[list[str]]:
    found = [line.strip("| ").split(" | ") for line in SECTIONS[section].splitlines() if line.startswith("| `")]
    return [[cell.strip("` ") for cell in row] for row in found if len(row) == columns]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("Label-free", [*names("label_free", "layers"), *names("label_free", "control")]),
        ("Gold-based", list(names("gold_based", "layers"))),
        ("In the picture", [*names("label_free", "image"), *names("gold_based", "image")]),
        ("In the steps", [*names("label_free", "steps"), *names("gold_based", "steps")]),
        ("In the regions of the steps", list(names("gold_based", "regions"))),
    ],
)
def test_page_lists_the_registry(section: str, expected: list[str]):
    formulas, meanings = rows(section, 5), rows(section, 3)
    assert [row[0] for row in formulas] == expected
    assert [row[0] for row in meanings] == expected
    assert [row[1] for row in formulas] == [METRICS[row[0]].unit for row in formulas]


def test_page_states_the_default_thresholds():
    defaults = Thresholds()
    for symbol, value in (("θ", defaults.theta), ("m", defaults.m), ("δ", defaults.delta), ("τ", defaults.tau)):
        assert re.search(rf"^\| {symbol} \| {value}\b", PAGE, flags=re.MULTILINE), symbol
