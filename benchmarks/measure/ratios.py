"""Several ways to do one thing, timed in turn, and the ratios of their times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["CLOCKS", "Spread", "Timings", "alternate", "spread"]

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
"""What a user waits for; and, on a machine that others use too, what this process computes."""


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of some values; the quartiles are the extremes where there are fewer than four."""

    median: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if self.n == 1:
            return f"{self.median:.3g}"
        return f"{self.median:.3g} ({self.low:.3g}–{self.high:.3g})"


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles."""
    ordered = sorted(values)
    if len(ordered) < 4:
        return Spread(statistics.median(ordered), ordered[0], ordered[-1], len(ordered))
    low, middle, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return Spread(middle, low, high, len(ordered))


@dataclass
class Timings:
    """Seconds of each way in each round; a way that sat out a round has None there."""

    seconds: dict[str, list[float | None]] = field(default_factory=dict)

    def of(self, way: str) -> Spread:
        """Seconds of a way."""
        return spread([each for each in self.seconds[way] if each is not None])

    def ratio(self, way: str, reference: str) -> Spread:
        """Times of a way over those of the reference in the same round, so that a slow minute touches both."""
        return spread([a / b for a, b in self._pairs(way, reference)])

    def added(self, way: str, reference: str) -> Spread:
        """Seconds that a way takes beyond the reference in the same round."""
        return spread([a - b for a, b in self._pairs(way, reference)])

    def _pairs(self, way: str, reference: str) -> list[tuple[float, float]]:
        pairs = zip(self.seconds[way], self.seconds[reference], strict=True)
        return [(a, b) for a, b in pairs if a is not None and b is not None]


def alternate(
    ways: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    few: Mapping[str, int] | None = None,
    warm: bool = True,
    wait: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Timings:
    """Run all ways in every round, each round beginning with another one.

    Args:
        ways: name -> what to run.
        rounds: how often.
        few: name -> number of rounds for ways that take long; they run in the first rounds.
        warm: run each way that is in all rounds once before anything is timed.
        wait: called before each reading of the clock; waits for a device.
        clock: `time.process_time` on a processor that others use too; it does not see work of a device or a child.
    """
    few = few or {}
    names = list(ways)
    if warm:
        for name in names:
            if name not in few:
                ways[name]()
    timings = Timings({name: [None] * rounds for name in names})
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            if number < few.get(name, rounds):
                wait()
                start = clock()
                ways[name]()
                wait()
                timings.seconds[name][number] = clock() - start
    return timings
