"""`python -m benchmarks.gpu`: the lens, probes and interventions beside plain generation on a GPU, in 8 minutes.

The cases come in the order of their importance, each in turns with plain generation; what the minutes do not allow is
listed as left out. Where vLLM is installed, whole runs under it follow as long as there is time.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.measure import describe_machine, exit_code, show, write_json
from benchmarks.overhead.cases import COLUMNS, Case, measure
from benchmarks.overhead.shapes import SHAPES
from benchmarks.overhead.targets import checks

__all__ = ["cases", "main", "within"]

_INTERVENTIONS = ("dola", "deco", "vcd")
_TIMES = 2.0  # a case is begun where twice the time of the one before is left


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when a target is missed or a case was left out."""
    arguments = _arguments(words)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch finds no GPU here; --device cpu --shapes lens_tiny tries the command without one")
    end = time.monotonic() + 60 * arguments.minutes
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    device = torch.device(arguments.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    machine = describe_machine(device) | {"dtype": str(dtype).removeprefix("torch.")}
    file = arguments.out / f"gpu_{device.type}.json"
    rows: list[dict[str, Any]] = []
    planned = cases(arguments.shapes, arguments.batch, arguments.tokens, arguments.rounds)
    for case, found in within(end, planned, _on(device, dtype)):
        show(case.name, COLUMNS, found)
        rows += found
        write_json(file, machine, rows, checks(rows, device.type))
    if importlib.util.find_spec("vllm") and time.monotonic() < end:
        _under_vllm(end - time.monotonic(), arguments.out)
    left_out = [row for row in rows if "seconds" not in row and row["way"] == "all"]
    return max(exit_code(checks(rows, device.type)), int(bool(left_out)))


def cases(shapes: Iterable[str], batches: Iterable[int], tokens: Iterable[int], rounds: int) -> Iterator[Case]:
    """Short answers first, of each shape the small batches first; interventions beside the smallest batch alone."""
    batches = sorted(batches)
    for shape in shapes:
        for length in sorted(tokens):
            for batch in batches:
                changed = _INTERVENTIONS if batch == batches[0] else ()
                yield Case(SHAPES[shape], batch, length, rounds, interventions=changed)


def within(
    end: float,
    planned: Iterable[Case],
    run: Callable[[Case], list[dict[str, Any]]],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[Case, list[dict[str, Any]]]]:
    """Rows of each case, or one row that says why there are none.

    Args:
        end: of the clock; no case is begun where less is left than `_TIMES` the longest one so far.
        planned: cases.
        run: measures one.
        clock: seconds.
    """
    longest = 0.0
    for case in planned:
        start = clock()
        row = {"shape": case.shape.name, "batch": case.batch, "tokens": case.tokens, "way": "all"}
        if start + _TIMES * longest > end:
            yield case, [row | {"note": "left out: no time"}]
            continue
        try:
            found = run(case)
        except torch.OutOfMemoryError as error:
            found = [row | {"note": f"left out: {str(error)[:150]}"}]
        longest = max(longest, clock() - start)
        yield case, found


def _on(device: torch.device, dtype: torch.dtype) -> Callable[[Case], list[dict[str, Any]]]:
    """Measures cases; the model of a shape is kept until another one is asked for."""
    kept: dict[str, Any] = {}

    def run(case: Case) -> list[dict[str, Any]]:
        name = case.shape.name
        if name not in kept:
            kept.clear()
            gc.collect()
            torch.cuda.empty_cache()
            kept[name] = case.shape.build(device, dtype)
        return measure(case, kept[name], device)

    return run


def _under_vllm(seconds: float, out: Path) -> None:
    """Whole runs of lens_tiny, stock and with the lens: a command of its own, for vLLM keeps the device's memory."""
    command = [sys.executable, "-m", "benchmarks.harness.served", "--out", str(out)]
    try:
        subprocess.run(command, timeout=seconds)
    except subprocess.TimeoutExpired:
        print("left out: the runs under vLLM took longer than the minutes that were left")


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cpu tries the command")
    parser.add_argument("--shapes", nargs="+", choices=tuple(SHAPES), default=["qwen2-vl-2b", "qwen2-vl-7b"])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--tokens", nargs="+", type=int, default=[2, 64])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=8.0, help="no case is begun that would end later")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of the JSON file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
