"""Samples against time, disk and memory, through the writer that runs use."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import PeakMemory
from lens_engine.recorder import LensRecorder
from lens_results import load

from .synthetic import records, run_info

__all__ = ["write_rows"]


def write_rows(
    count: int, layers: int = 28, topk: int = 5, *, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Any]:
    """One row: milliseconds a sample to write, seconds to merge and to load, bytes a sample, open files afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recorder = LensRecorder(run_info(layers, topk), folder, thumbnails=False)
        seconds = 0.0
        with PeakMemory(torch.device("cpu")) as peak:
            for record in records(count, layers, topk):
                start = clock()
                recorder.add([record])
                seconds += clock() - start
            start = clock()
            scores = recorder.close()
            seconds += clock() - start
            start = clock()
            files = recorder.finish(scores)
            merging = clock() - start
        size = sum(path.stat().st_size for path in files.values())
        start = clock()
        found = len(load(folder).samples)
        loading = clock() - start
    if found != count:
        raise RuntimeError(f"{found} samples came back, {count} were written")
    return {
        "samples": count,
        "layers": layers,
        "topk": topk,
        "write_ms_sample": 1000 * seconds / count,
        "merge_s": merging,
        "load_s": loading,
        "kib_sample": size / count / 1024,
        "mib": size / 2**20,
        "peak_mib": peak.mib,
    }
