"""`python -m benchmarks`: the CPU part of all benchmarks, in a quarter of an hour on two quiet cores."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["PARTS", "main", "run_parts"]

PARTS: dict[str, tuple[str, ...]] = {
    "overhead": ("--device", "cpu"),
    "harness": ("--device", "cpu", "--limit", "24", "--rounds", "3"),
    "scaling": ("--device", "cpu"),
    "report": (),
}
"""Part -> its arguments; each part is a command of its own, `python -m benchmarks.<part>`."""

_CLOCKED = ("overhead", "harness", "scaling")


def main(words: Sequence[str] | None = None) -> int:
    """Run the parts one after another; 1 when one of them misses a target or fails."""
    arguments = _arguments(words)
    clock, out = ("--clock", arguments.clock), ("--out", str(arguments.out))
    chosen = {
        name: (*own, *(clock if name in _CLOCKED else ()), *out)
        for name, own in PARTS.items()
        if name in arguments.parts
    }
    start = time.perf_counter()
    codes = run_parts(chosen, _command)
    minutes = (time.perf_counter() - start) / 60
    failed = [name for name, code in codes.items() if code]
    verdict = f"targets missed or not measured in: {', '.join(failed)}" if failed else "all targets met"
    print(f"{minutes:.1f} minutes, {verdict}; figures in {arguments.out}")
    return int(bool(failed))


def run_parts(parts: Mapping[str, Sequence[str]], run: Callable[[str, Sequence[str]], int]) -> dict[str, int]:
    """Exit code of each part; one that fails does not keep the others from running."""
    return {name: run(name, words) for name, words in parts.items()}


def _command(name: str, words: Sequence[str]) -> int:
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *words]).returncode


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all unless named")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="as of the parts")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of the JSON files")
    arguments = parser.parse_args(words)
    unknown = set(arguments.parts) - PARTS.keys()
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    arguments.parts = arguments.parts or list(PARTS)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
