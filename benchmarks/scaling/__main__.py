"""`python -m benchmarks.scaling`: samples, layers and vocabulary, processes."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import CLOCKS, Check, Column, at_least, at_most, describe_machine, exit_code, show, write_json

from .processes import time_processes
from .readouts import time_readouts
from .rows import write_rows

_ROWS = (
    Column("samples", "samples"),
    Column("write_ms_sample", "write, ms a sample"),
    Column("merge_s", "merge, s"),
    Column("load_s", "load, s"),
    Column("kib_sample", "KiB a sample"),
    Column("mib", "MiB"),
    Column("peak_mib", "peak MiB"),
)
_READOUTS = (
    Column("layers", "layers"),
    Column("vocabulary", "vocabulary"),
    Column("ms_alone", "ms, alone"),
    Column("ms_in_eight", "ms a sample, of eight"),
)
_PROCESSES = (
    Column("processes", "processes"),
    Column("threads_each", "threads each"),
    Column("samples", "samples"),
    Column("seconds", "seconds"),
    Column("ms_sample", "ms a sample, start left out"),
    Column("faster", "times as fast"),
    Column("same_rows", "same rows"),
)
_KIB_SAMPLE = 8.0
_SAMPLES_SECOND = 5000.0
_PEAK_MIB = 300.0
_FLAT_TO = 20_000
_OF_A_PROCESS = 0.95


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when samples take too much or processes disagree."""
    arguments = _arguments(words)
    device = torch.device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    machine = describe_machine(device) | {"clock": arguments.clock}
    rows = [write_rows(count, clock=CLOCKS[arguments.clock]) for count in arguments.samples]
    show("samples, 28 layers, top 5", _ROWS, rows)
    readouts = time_readouts(
        arguments.layers, arguments.vocabularies, device, CLOCKS[arguments.clock], width=arguments.width
    )
    show(f"readout of a sample, width {arguments.width}", _READOUTS, readouts)
    processes = time_processes(
        arguments.processes, tuple(arguments.limits), 1, arguments.rounds, cpu=device.type == "cpu"
    )
    show("processes, whole commands on lens_tiny", _PROCESSES, processes)
    labelled = (("samples", rows), ("readout", readouts), ("processes", processes))
    everything = [{"kind": kind, **row} for kind, found in labelled for row in found]
    checks = targets(everything)
    write_json(arguments.out / f"scaling_{device.type}.json", machine, everything, checks)
    return exit_code(checks)


def targets(rows: Iterable[Mapping[str, Any]]) -> list[Check]:
    """Disk, time and memory of samples, and the rows of several processes."""
    rows, found = list(rows), []
    reference = next((row["processes"] for row in rows if row["kind"] == "processes"), 1)
    for row in rows:
        if row["kind"] == "samples":
            found.append(at_most(f"{row['samples']} samples: KiB of disk each", row["kib_sample"], _KIB_SAMPLE))
            rate = 1000 / row["write_ms_sample"]
            found.append(at_least(f"{row['samples']} samples: written in a second", rate, _SAMPLES_SECOND))
            if row["samples"] <= _FLAT_TO:
                peak = math.nan if row["peak_mib"] is None else row["peak_mib"]
                found.append(at_most(f"{row['samples']} samples: MiB to write and merge them", peak, _PEAK_MIB))
        if row["kind"] == "processes" and row["processes"] != reference:
            wrong, several = float(not row["same_rows"]), f"{row['processes']} processes"
            found.append(at_most(f"{several}: rows that differ from those of {reference}", wrong, 0.0))
            least = _OF_A_PROCESS * row["processes"] / reference
            found.append(at_least(f"{several}: times as fast as {reference}", row["faster"], least))
    return found


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument(
        "--samples", nargs="*", type=int, default=[1_000, 10_000], help="sizes of the stub model's runs"
    )
    parser.add_argument("--layers", nargs="*", type=int, default=[12, 28, 80])
    parser.add_argument("--vocabularies", nargs="*", type=int, default=[32_000, 151_936])
    parser.add_argument("--width", type=int, default=1536, help="width of the residual stream")
    parser.add_argument("--processes", nargs="*", type=int, default=[1, 2], help="first of them is the reference")
    parser.add_argument(
        "--limits", nargs=2, type=int, default=[64, 1000], help="samples of the two runs of each number of processes"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of the runs of processes")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, help="threads of torch")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="processor: of all but the processes")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of the JSON file")
    arguments = parser.parse_args(words)
    if arguments.limits[0] >= arguments.limits[1]:
        parser.error(f"--limits {arguments.limits[0]} {arguments.limits[1]}: the second run has to be the longer one")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
