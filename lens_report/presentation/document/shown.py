"""Numbers as they are printed, together with the numbers themselves.

Whatever a sentence or a table shows is a `Shown`, so that stats.json can hold every number of the text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lens_report.stats import Estimate

Value = float | int | str | bool | None | list["Value"]


@dataclass(frozen=True)
class Shown:
    """A value and its printed form; a name from data stays as it is in every language."""

    value: Value
    text: str
    is_name: bool = False


MISSING = "–"


def words(text: str) -> Shown:
    """A name or other text, shown as it is; line breaks become spaces."""
    flat = " ".join(str(text).split())
    return Shown(flat, flat)


def named(text: str) -> Shown:
    """A name from data: a task, a run, a question type, a label. It is the same in every language."""
    return replace(words(text), is_name=True)


def count(n: int) -> Shown:
    """A number of things."""
    return Shown(int(n), str(int(n)))


def percent(share: float | None) -> Shown:
    """A share of 0 to 1 in per cent with one decimal."""
    return Shown(share, MISSING if share is None else f"{100 * share:.1f} %")


def decimal(value: float | None, digits: int = 3) -> Shown:
    """A number with a fixed number of decimals."""
    if value is None:
        return Shown(None, MISSING)
    text = f"{value:.{digits}f}"
    return Shown(value, text.lstrip("-") if float(text) == 0 else text)


def scientific(value: float | None) -> Shown:
    """A small number, such as a deviation."""
    return Shown(value, MISSING if value is None else f"{value:.1e}")


def p_value(p: float | None) -> Shown:
    """A p-value with three decimals."""
    if p is None:
        return Shown(None, MISSING)
    return Shown(p, "< 0.001" if p < 0.001 else f"{p:.3f}")


def interval(estimate: Estimate | None, digits: int = 3, *, share: bool = False) -> Shown:
    """`0.812 [0.744, 0.861]`, shares as `81.2 % [74.4, 86.1]`; without an interval the value alone."""
    if estimate is None or estimate.value is None:
        return Shown(None, MISSING)
    scale, places = (100, 1) if share else (1, digits)
    unit = " %" if share else ""
    numbers: list[Value] = [estimate.value, estimate.low, estimate.high]
    value = decimal(scale * estimate.value, places).text
    if estimate.low is None and estimate.high is None:
        return Shown(numbers, f"{value}{unit}")
    low, high = ("∞" if end is None else decimal(scale * end, places).text for end in (estimate.low, estimate.high))
    return Shown(numbers, f"{value}{unit} [{low}, {high}]")


def of_all(share: Estimate | None) -> Shown:
    """A share as a count, such as `96/96`: what was read is counted, not estimated."""
    if share is None or share.value is None:
        return Shown(None, MISSING)
    n = round(share.value * share.n)
    return Shown([n, share.n], f"{n}/{share.n}")


def listed(names: list[str]) -> Shown:
    """Names in a row; `none` for no name."""
    flat = [" ".join(name.split()) for name in names]
    return Shown(list(flat), ", ".join(flat) or "none")
