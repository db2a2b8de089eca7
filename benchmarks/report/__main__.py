"""`python -m benchmarks.report`: the report of 9,000 samples at 28 layers; `--full`: of 100,000 at 32 layers, too."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import Check, Column, PeakMemory, at_most, describe_machine, exit_code, show, write_json
from benchmarks.scaling.synthetic import records, run_info
from lens_report.measures import analyse_task_run, task_runs
from lens_results import RecordWriter, load, merge

_COLUMNS = (
    Column("samples", "samples"),
    Column("layers", "layers"),
    Column("step", "step"),
    Column("seconds", "seconds"),
    Column("processor_seconds", "processor seconds"),
    Column("peak_mib", "peak MiB"),
    Column("mib", "MiB on disk"),
)
_STATISTICS, _COMMAND = "statistics", "mmlens report"
_CODE = """
import atexit, shutil
from harness_ext.cli import main
atexit.register(shutil.copyfile, "/proc/self/status", {status!r})
main()
"""
_SIZES = ((9_000, 28), (100_000, 32))
_COMMAND_SECONDS = {9_000: 10.0, 100_000: 60.0}


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when the command takes longer than it may."""
    arguments = _arguments(words)
    warnings.simplefilter("ignore")
    sizes = _SIZES if arguments.full else [(arguments.samples, arguments.layers)]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for samples, layers in sizes:
            found = _measure(Path(name) / str(samples), samples, layers, Path(name) / "modules")
            rows += [{"samples": samples, "layers": layers} | row for row in found]
    show("reports of large runs", _COLUMNS, rows)
    checks = targets(rows)
    write_json(arguments.out / "report_cpu.json", describe_machine(torch.device("cpu")), rows, checks)
    return exit_code(checks)


def targets(rows: Iterable[Mapping[str, Any]]) -> list[Check]:
    """The whole command, with its imports, takes at most ten seconds on two quiet cores, of 100,000 samples a minute."""
    return [
        at_most(f"seconds of {_COMMAND}, {row['samples']} samples", row["seconds"], _COMMAND_SECONDS[row["samples"]])
        for row in rows
        if row["step"] == _COMMAND and row["samples"] in _COMMAND_SECONDS
    ]


def _measure(folder: Path, samples: int, layers: int, modules: Path) -> list[dict[str, Any]]:
    info = run_info(layers, 5)
    with RecordWriter(folder, info, part_rows=2048) as writer:
        for record in records(samples, layers, 5):
            writer.append(record)
    merge(folder, info.run_id)
    rows: list[dict[str, Any]] = []
    with _Step(_STATISTICS, rows):
        for task_run in task_runs(load(folder), "stub"):
            analyse_task_run(task_run)
    out = folder / "report"
    status = folder / "status"
    command = [sys.executable, "-c", _CODE.format(status=str(status)), "report", str(folder), "--out", str(out)]
    environment = _with_compiled_modules(modules)
    if not modules.exists():
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    with _Step(_COMMAND, rows) as step:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    step["peak_mib"] = _peak_mib(status)
    step["mib"] = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 2**20
    return rows


def _peak_mib(status: Path) -> float | None:
    """Largest resident memory in what the kernel says of a process; None on another system."""
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM:")), None)


def _with_compiled_modules(folder: Path) -> dict[str, str]:
    """The environment of a second run: modules are compiled once, not at each start as PYTHONDONTWRITEBYTECODE makes it."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


class _Step:
    """Times one step, with the processes that it starts, into a row."""

    def __init__(self, name: str, rows: list[dict[str, Any]]) -> None:
        self._row: dict[str, Any] = {"step": name}
        self._rows = rows
        self._peak = PeakMemory(torch.device("cpu"))

    def __enter__(self) -> dict[str, Any]:
        self._peak.__enter__()
        self._start = time.perf_counter(), _processor_seconds()
        return self._row

    def __exit__(self, *reason: Any) -> None:
        wall, processor = self._start
        self._row |= {"seconds": time.perf_counter() - wall, "processor_seconds": _processor_seconds() - processor}
        self._peak.__exit__(*reason)
        self._row["peak_mib"] = self._peak.mib
        self._rows.append(self._row)


def _processor_seconds() -> float:
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--samples", type=int, default=9_000)
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--full", action="store_true", help="9,000 samples at 28 layers and 100,000 at 32")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of the JSON file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
