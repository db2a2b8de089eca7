"""Leaderboards: models × tasks, published figures beside them, what may not be compared flagged."""

from __future__ import annotations

from lens_report.presentation.leaderboard.benchmark import Benchmark, DataSet
from lens_report.presentation.leaderboard.benchmark_board import BenchmarkBoard, build_benchmark_board
from lens_report.presentation.leaderboard.entries import Entry
from lens_report.presentation.leaderboard.published import Published, published_rows
from lens_report.presentation.leaderboard.table import Leaderboard, build_leaderboard

__all__ = [
    "Benchmark",
    "BenchmarkBoard",
    "DataSet",
    "Entry",
    "Leaderboard",
    "Published",
    "build_benchmark_board",
    "build_leaderboard",
    "published_rows",
]
