"""Where the package keeps its tasks."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def lmms_eval_tasks() -> Path:
    """The folder of task YAMLs for lmms-eval: what `--include_path` would be given."""
    return _PACKAGE / "lmms_eval"


def minis() -> Path:
    """The folder of the bundled mini benchmarks (Parquet)."""
    return _PACKAGE / "minis"
