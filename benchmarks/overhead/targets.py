"""The targets of the lens's cost, and which of them a measurement can judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from benchmarks.measure import Check, at_least, at_most

from .cases import LENS, NAIVE, PICTURE, PLAIN

__all__ = ["checks"]

_CPU = ("qwen2-vl-0.5b", 1.05)
_CUDA = ("qwen2-vl-2b", 1.03)
_PROBE = 1.10
_TIMES_LESS = 10.0
_MEMORY_MIB = 64.0
_SMALLEST_MS = 1.0  # what the noise makes of a cost of nothing is no cost below it


def checks(rows: Iterable[Mapping[str, Any]], device: str) -> list[Check]:
    """Targets of short answers on the shape that the device is judged by.

    Lens over plain generation, the time it adds against `output_hidden_states` with the head everywhere, and on a GPU
    the memory beyond generation.
    """
    shape, limit = _CUDA if device == "cuda" else _CPU
    cases: dict[int, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        if row["shape"] == shape and row["tokens"] == 2 and "seconds" in row:
            cases.setdefault(row["batch"], {})[row["way"]] = row
    found: list[Check] = []
    for batch, ways in sorted(cases.items()):
        found += _of_case(f"{shape}, batch {batch}", ways, limit, device)
    return found


def _of_case(name: str, ways: Mapping[str, Mapping[str, Any]], limit: float, device: str) -> Iterator[Check]:
    lens = ways[LENS]
    yield at_most(f"{name}: lens over plain generation", lens["ratio"].median, limit)
    for probe in PICTURE:
        if probe in ways:
            yield at_most(f"{name}: {probe} over plain generation", ways[probe]["ratio"].median, _PROBE)
    if NAIVE in ways:
        added = max(lens["added_ms"], _SMALLEST_MS)
        yield at_least(f"{name}: time added by {NAIVE} over the lens's", ways[NAIVE]["added_ms"] / added, _TIMES_LESS)
    if device == "cuda":
        beyond = max(lens["peak_mib"] - ways[PLAIN]["peak_mib"], 0.0)
        yield at_most(f"{name}: MiB on the device beyond generation", beyond, _MEMORY_MIB)
