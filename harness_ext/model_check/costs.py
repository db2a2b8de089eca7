"""Time and memory of a sample, without the lens and with it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch

from lens_engine import Sample, TransformersEngine
from lens_engine.reading import Reader
from lens_models.metrics import Thresholds

__all__ = ["FEWEST_PAIRS", "Costs", "Spread", "measure_costs"]

FEWEST_PAIRS = 5
"""Samples that have to be timed both ways before anything is said of how their times differ."""


@dataclass(frozen=True)
class Spread:
    """A median with the quartiles around it; these are None where fewer than `FEWEST_PAIRS` values are known."""

    middle: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        low, _, high = quantiles(values, method="inclusive") if len(values) >= FEWEST_PAIRS else (None, None, None)
        return cls(median(values), low, high)


@dataclass(frozen=True)
class Costs:
    """What samples cost, each answered alone.

    Attributes:
        seconds_off, seconds_on: of each sample in turn, from the prompt to the answer; with the lens also its readout
            and record. The two of a sample were measured one after the other.
        memory_off, memory_on: highest use over all samples, weights included, in bytes: of the GPU's allocator on a
            GPU, of the whole process on a CPU; None where the system does not tell (outside Linux).
    """

    seconds_off: tuple[float, ...]
    seconds_on: tuple[float, ...]
    memory_off: int | None
    memory_on: int | None

    @property
    def added(self) -> Spread | None:
        """Share of a sample's time that the lens adds to it; None for too few pairs, whose median says nothing yet."""
        pairs = [on / off - 1 for off, on in zip(self.seconds_off, self.seconds_on, strict=True) if off > 0]
        return Spread.of(pairs) if len(pairs) >= FEWEST_PAIRS else None


def measure_costs(engine: TransformersEngine, tokenizer: Any, samples: Sequence[Sample]) -> Costs:
    """Answer each sample without and with the lens, once for memory and once for time.

    The first round, in which the highest use of memory is looked at, is the warm-up of the second. There the two ways
    of a sample follow each other directly, one or the other first, so that what else the machine does meets both.
    """
    assert engine.lens is not None
    reader = Reader(engine, engine.lens, tokenizer, Thresholds())

    def plain(sample: Sample) -> None:
        engine.generate([sample], observe=False)

    def read(sample: Sample) -> None:
        reader.read([sample], engine.generate([sample]))

    device = engine.model.device
    memory_off, memory_on = (_memory(way, samples, device) for way in (plain, read))
    seconds: dict[Callable[[Sample], None], list[float]] = {plain: [], read: []}
    for number, sample in enumerate(samples):
        for way in (plain, read) if number % 2 == 0 else (read, plain):
            seconds[way].append(_seconds(way, sample, device))
    return Costs(tuple(seconds[plain]), tuple(seconds[read]), memory_off, memory_on)


def _memory(run: Callable[[Sample], None], samples: Sequence[Sample], device: torch.device) -> int | None:
    gc.collect()
    _forget_peak(device)
    for sample in samples:
        run(sample)
    return _peak(device)


def _seconds(run: Callable[[Sample], None], sample: Sample, device: torch.device) -> float:
    start = time.perf_counter()
    run(sample)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the highest resident size starts anew, see proc(5)
    except OSError:
        return


def _peak(device: torch.device) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else None
