"""Times, ratios and memory are what an independent computation gives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from benchmarks.measure import PeakMemory, alternate, spread


@pytest.mark.parametrize("values", [[3.0], [1.0, 2.0, 9.0], [4.0, 1.0, 3.0, 2.0], list(np.arange(11.0) ** 2)])
def test_median_and_quartiles(values: list[float]) -> None:
    found = spread(values)
    assert found.median == np.median(values)
    assert found.n == len(values)
    low, high = (min(values), max(values)) if len(values) < 4 else np.quantile(values, [0.25, 0.75])
    assert (found.low, found.high) == pytest.approx((low, high))


def test_ways_take_turns_and_each_round_begins_with_another() -> None:
    order: list[str] = []
    ways = {name: (lambda name=name: order.append(name)) for name in "abc"}
    alternate(ways, 4, few={"c": 2}, warm=False)
    assert "".join(order) == "abc" + "bca" + "ab" + "ab"
    order.clear()
    alternate(ways, 1, few={"c": 1})
    assert "".join(order) == "ab" + "abc", "what takes long is not warmed up"


def test_ratios_are_those_of_the_same_round() -> None:
    now = itertools.accumulate([0, 1, 0, 2, 0, 10, 0, 5, 0, 3, 0, 4])  # a: 1, b: 2; b: 10, a: 5; a: 3, b: 4
    timings = alternate(dict.fromkeys("ab", int), 3, warm=False, clock=lambda: float(next(now)))
    assert timings.seconds == {"a": [1.0, 5.0, 3.0], "b": [2.0, 10.0, 4.0]}
    ratio = timings.ratio("b", "a")
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((2.0, 4 / 3, 2.0))
    assert timings.added("b", "a").median == 1.0
    assert timings.of("a").median == 3.0


def test_a_way_that_sat_out_is_compared_in_its_own_rounds() -> None:
    now = itertools.accumulate([0, 1, 0, 8, 0, 2])
    timings = alternate(dict.fromkeys("ab", int), 2, few={"b": 1}, warm=False, clock=lambda: float(next(now)))
    assert timings.seconds == {"a": [1.0, 2.0], "b": [8.0, None]}
    assert timings.ratio("b", "a").median == 8.0


def test_the_peak_is_seen_although_the_memory_is_given_back() -> None:
    with PeakMemory(torch.device("cpu")) as peak:
        block = torch.ones(64 * 2**20 // 4)
        del block
    if peak.bytes is None:
        pytest.skip("this system does not tell the peak of a process")
    assert 60 <= peak.bytes / 2**20 <= 96
