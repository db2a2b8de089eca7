"""What the speed and memory benchmarks share: alternating runs, peak memory, the machine, checks, files."""

from .checks import Check, at_least, at_most, exit_code
from .machine import describe_machine
from .memory import PeakMemory
from .outcome import Column, show, write_json
from .ratios import CLOCKS, Spread, Timings, alternate, spread

__all__ = [
    "CLOCKS",
    "Check",
    "Column",
    "PeakMemory",
    "Spread",
    "Timings",
    "alternate",
    "at_least",
    "at_most",
    "describe_machine",
    "exit_code",
    "show",
    "spread",
    "write_json",
]
