"""Paths of the bundled benchmarks for `!function` tags: lm-eval reads `data_files` relative to the working folder."""

from pathlib import Path

_MINIS = Path(__file__).resolve().parents[1] / "minis"

pope_mini = str(_MINIS / "pope_mini.parquet")
clevr_mini = str(_MINIS / "clevr_mini.parquet")
ruclevr_mini = str(_MINIS / "ruclevr_mini.parquet")
ruclevr_mini_shots = str(_MINIS / "ruclevr_mini_shots.parquet")
weird_mini = str(_MINIS / "weird_mini.parquet")
weird_mini_shots = str(_MINIS / "weird_mini_shots.parquet")
