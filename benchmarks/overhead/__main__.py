"""`python -m benchmarks.overhead`: plain generation, the lens, and other ways to a readout of each layer."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.measure import CLOCKS, describe_machine, exit_code, show, write_json

from .cases import COLUMNS, measure
from .plan import SHORT, cases
from .shapes import SHAPES
from .targets import checks


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when a target is missed."""
    arguments = _arguments(words)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    device = torch.device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    machine = describe_machine(device) | {"clock": arguments.clock, "dtype": arguments.dtype or _default_dtype(device)}
    file = arguments.out / f"overhead_{device.type}_{machine['dtype']}.json"
    rows: list[dict[str, Any]] = []
    for name in arguments.shapes:
        model = SHAPES[name].build(device, getattr(torch, machine["dtype"]))
        planned = cases(
            [name], arguments.batch, arguments.tokens, device.type, rounds=arguments.rounds, full=arguments.full
        )
        for case in planned:
            found = measure(case, model, device, CLOCKS[arguments.clock])
            show(case.name, COLUMNS, found)
            rows += found
            write_json(file, machine, rows, checks(rows, device.type))  # what is cut short leaves what it had
        del model
    return exit_code(checks(rows, device.type))


def _default_dtype(device: torch.device) -> str:
    return "bfloat16" if device.type == "cuda" else "float32"


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="float32 on cpu, bfloat16 on cuda")
    parser.add_argument("--shapes", nargs="+", choices=tuple(SHAPES), help="those up to 2B on cuda, to 0.5B on cpu")
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--tokens", nargs="+", type=int, default=[SHORT, 128])
    parser.add_argument("--rounds", type=int, help="rounds of each case")
    parser.add_argument("--threads", type=int, help="threads of torch")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="processor: time of this process alone")
    parser.add_argument("--full", action="store_true", help="also what takes many minutes on a processor")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of the JSON file")
    arguments = parser.parse_args(words)
    arguments.shapes = arguments.shapes or list(SHAPES)[: 3 if arguments.device == "cuda" else 2]
    return arguments


if __name__ == "__main__":
    sys.exit(main())
