"""Time and memory of a sample, without the lens and with it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from lens_engine import Sample, TransformersEngine
from lens_engine.reading import Reader
from lens_models.metrics import Thresholds

__all__ = ["Costs", "measure_costs"]


@dataclass(frozen=True)
class Costs:
    """Medians over the samples, each answered alone.

    Attributes:
        n_samples: how many were answered, once without and once with the lens.
        seconds_off, seconds_on: from the prompt to the answer; with the lens also its readout and record.
        memory_off, memory_on: highest use over all samples, weights included, in bytes: of the GPU's allocator on a
            GPU, of the whole process on a CPU; None where the system does not tell (outside Linux).
    """

    n_samples: int
    seconds_off: float
    seconds_on: float
    memory_off: int | None
    memory_on: int | None


def measure_costs(engine: TransformersEngine, tokenizer: Any, samples: Sequence[Sample]) -> Costs:
    """Answer each sample once without and once with the lens; what happens only in a first call is left out."""
    assert engine.lens is not None
    reader = Reader(engine, engine.lens, tokenizer, Thresholds())

    def plain(sample: Sample) -> None:
        engine.generate([sample], observe=False)

    def read(sample: Sample) -> None:
        reader.read([sample], engine.generate([sample]))

    device = engine.model.device
    plain(samples[0])
    seconds_off, memory_off = _measured(plain, samples, device)
    read(samples[0])
    seconds_on, memory_on = _measured(read, samples, device)
    return Costs(len(samples), seconds_off, seconds_on, memory_off, memory_on)


def _measured(
    run: Callable[[Sample], None], samples: Sequence[Sample], device: torch.device
) -> tuple[float, int | None]:
    gc.collect()
    _forget_peak(device)
    seconds = []
    for sample in samples:
        start = time.perf_counter()
        run(sample)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return median(seconds), _peak(device)


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
