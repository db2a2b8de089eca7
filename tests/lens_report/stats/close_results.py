"""Two statistics of the same rows whose sums were made in another order or beside other columns."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from tolerances import near


def assert_close_results(found: Any, expected: Any, n: int, where: str = "") -> None:
    """Results of the same kind whose floats, from float64 sums over `n` rows, agree; everything else is equal."""
    if is_dataclass(expected):
        assert type(found) is type(expected), where
        for field in fields(expected):
            assert_close_results(getattr(found, field.name), getattr(expected, field.name), n, f"{where}.{field.name}")
    elif isinstance(expected, float):
        assert found == near(expected, "float64", n), where
    else:
        assert found == expected, where
