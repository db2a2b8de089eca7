"""`python -m benchmarks.report`: the report of 9,000 samples at 28 layers."""

from __future__ import annotations

import argparse
import resource
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
from lens_report.measures import Draws, analyse_task_run
from lens_report.presentation.report import build_report
from lens_report.measures.task_run import task_runs
from lens_results import RecordWriter, load, merge

_COLUMNS = (
    Column("step", "step"),
    Column("seconds", "seconds"),
    Column("processor_seconds", "processor seconds"),
    Column("peak_mib", "peak MiB"),
    Column("mib", "MiB on disk"),
)
_STATISTICS = "statistics"
_STATISTICS_SECONDS = 60.0


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when the statistics take longer than a minute."""
    arguments = _arguments(words)
    warnings.simplefilter("ignore")
    draws = Draws(bootstrap=arguments.draws)
    with tempfile.TemporaryDirectory() as name:
        rows = _measure(Path(name), arguments.samples, arguments.layers, draws)
    common = {"samples": arguments.samples, "layers": arguments.layers, "draws": arguments.draws}
    rows = [common | row for row in rows]
    show(f"report of {arguments.samples} samples, {arguments.layers} layers, {arguments.draws} draws", _COLUMNS, rows)
    checks = targets(rows)
    write_json(arguments.out / "report_cpu.json", describe_machine(torch.device("cpu")), rows, checks)
    return exit_code(checks)


def targets(rows: Iterable[Mapping[str, Any]]) -> list[Check]:
    """The statistics fit into a minute of processor time, at most a minute on one core."""
    return [
        at_most("seconds of the statistics", row["processor_seconds"], _STATISTICS_SECONDS)
        for row in rows
        if row["step"] == _STATISTICS
    ]


def _measure(folder: Path, samples: int, layers: int, draws: Draws) -> list[dict[str, Any]]:
    info = run_info(layers, 5)
    with RecordWriter(folder, info, part_rows=2048) as writer:
        for record in records(samples, layers, 5):
            writer.append(record)
    merge(folder, info.run_id)
    rows = []
    with _Step("load", rows):
        found = list(task_runs(load(folder), "stub"))
    with _Step(_STATISTICS, rows):
        for task_run in found:
            analyse_task_run(task_run, draws)
    del found
    with _Step("whole report", rows) as step:
        report = build_report([folder], folder / "report", draws=draws)
        step["mib"] = sum(path.stat().st_size for path in report.folder.rglob("*") if path.is_file()) / 2**20
    return rows


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
    parser.add_argument("--draws", type=int, default=10_000, help="bootstrap draws")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of the JSON file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
