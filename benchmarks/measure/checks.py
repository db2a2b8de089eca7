"""Targets, and whether what was measured meets them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console

__all__ = ["Check", "at_least", "at_most", "exit_code"]


@dataclass(frozen=True)
class Check:
    """One target: what was measured, the limit, and whether the value has to be at most or at least that."""

    name: str
    value: float
    limit: float
    smaller: bool

    @property
    def met(self) -> bool:
        """Whether the target is met; a value that is no number meets none."""
        return self.value <= self.limit if self.smaller else self.value >= self.limit

    def __str__(self) -> str:
        sign = "≤" if self.smaller else "≥"
        return f"{'met   ' if self.met else 'MISSED'} {self.name}: {self.value:.3g} ({sign} {self.limit:g})"


def at_most(name: str, value: float, limit: float) -> Check:
    """A target that must not be exceeded."""
    return Check(name, value, limit, smaller=True)


def at_least(name: str, value: float, limit: float) -> Check:
    """A target that has to be reached."""
    return Check(name, value, limit, smaller=False)


def exit_code(checks: Iterable[Check], console: Console | None = None) -> int:
    """Print the checks; 1 when one is missed."""
    console = console or Console()
    listed = list(checks)
    for check in listed:
        console.print(str(check), style=None if check.met else "bold red", highlight=False, markup=False)
    return int(not all(check.met for check in listed))
