"""Where the package keeps its tasks."""

from __future__ import annotations

from pathlib import Path


def lmms_eval_tasks() -> Path:
    """The folder of task YAMLs for lmms-eval: what `--include_path` would be given."""
    return Path(__file__).resolve().parent / "lmms_eval"


def lm_eval_tasks() -> Path:
    """The folder of task YAMLs for lm-eval: what `--include_path` would be given."""
    return Path(__file__).resolve().parent / "lm_eval"
