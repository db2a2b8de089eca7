"""`python -m benchmarks.harness`: whole runs of lmms-eval and lm-eval, stock and with the lens."""

from __future__ import annotations

import argparse
import functools
import importlib
import logging
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# decided before the harnesses are imported: a stub model needs no hub, and their logs would cover the table
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("LOGURU_LEVEL", "ERROR")
os.environ.setdefault("TQDM_DISABLE", "1")

import torch

from benchmarks.harness.evaluation import Evaluation
from benchmarks.harness.made_task import MADE, write_task
from benchmarks.measure import (
    CLOCKS,
    Check,
    Column,
    PeakMemory,
    alternate,
    at_most,
    describe_machine,
    exit_code,
    show,
    write_json,
)

_COLUMNS = (
    Column("way", "way"),
    Column("seconds", "seconds"),
    Column("ratio", "over stock"),
    Column("ms_sample", "ms a sample"),
    Column("peak_mib", "peak MiB"),
    Column("note", "note"),
)
_STOCK = {"lmms_eval": "stock qwen2_vl", "lm_eval": "stock hf-multimodal"}
_LENS = "ours, lens on"
_LIMIT = 0.8


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when a run with the lens takes more than 0.8 of the stock one without."""
    arguments = _arguments(words)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    device = torch.device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    machine = describe_machine(device) | {"clock": arguments.clock, "model": arguments.model, "task": arguments.task}
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as made:
        include = write_task(Path(made), arguments.limit) if arguments.task == MADE else {}
        for harness in arguments.harnesses:
            for batch in arguments.batch:
                found = _measure(harness, batch, arguments, device, include.get(harness))
                show(f"{harness}, {arguments.limit} samples of {arguments.task}, batch {batch}", _COLUMNS, found)
                rows += found
                # what is cut short leaves what it had
                write_json(arguments.out / f"harness_{device.type}.json", machine, rows, targets(rows))
    return exit_code(targets(rows))


def targets(rows: Iterable[Mapping[str, Any]]) -> list[Check]:
    """A whole run with the lens takes at most 0.8 of the stock wrapper's without; one that cannot run meets nothing."""
    return [
        at_most(
            f"{row['harness']}, batch {row['batch']}: lens on over {_STOCK[row['harness']]}",
            row["ratio"].median if "ratio" in row else math.nan,
            _LIMIT,
        )
        for row in rows
        if row["way"] == _LENS
    ]


def _measure(
    harness: str, batch: int, arguments: argparse.Namespace, device: torch.device, include: Path | None
) -> list[dict[str, Any]]:
    module = importlib.import_module(f"benchmarks.harness.with_{harness}")
    common = {"harness": harness, "batch": batch, "samples": arguments.limit}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        asked = Evaluation(
            arguments.model, arguments.task, arguments.limit, batch, device, Path(folder), include, arguments.lens_args
        )
        ways, missing = module.ways(asked)
        reference = _STOCK[harness]
        wait = functools.partial(torch.cuda.synchronize, device) if device.type == "cuda" else (lambda: None)
        timings = alternate(ways, arguments.rounds, wait=wait, clock=CLOCKS[arguments.clock])
        for name, run in ways.items():
            with PeakMemory(device) as peak:
                run()
            row = {
                "way": name,
                "seconds": timings.of(name),
                "ms_sample": 1000 * timings.of(name).median / arguments.limit,
                "peak_mib": peak.mib,
            }
            if reference in ways:
                row["ratio"] = timings.ratio(name, reference)
            rows.append(common | row)
    return rows + [common | {"way": name, "note": reason} for name, reason in missing.items()]


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.harness", description=__doc__)
    parser.add_argument("--model", default="lens_tiny", help="checkpoint; the bundled one unless named")
    parser.add_argument("--task", default="pope_mini", help=f"{MADE}: as many drawn pictures as --limit says")
    parser.add_argument("--limit", type=int, default=64, help="samples of a run")
    parser.add_argument("--lens-args", default="", help="arguments of one more run with the lens, joined by commas")
    parser.add_argument("--harnesses", nargs="+", choices=tuple(_STOCK), default=list(_STOCK))
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, help="threads of torch")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="processor: time of this process alone")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of the JSON file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
