"""Where the package keeps its tasks, and where data lie that users bring."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "MMLENS_DATA"
_HERE = Path(__file__).resolve().parent
MINIS = _HERE / "minis"
"""The bundled benchmarks: `NAME.parquet`, and `NAME_shots.parquet` with few-shot examples."""


def lmms_eval_tasks() -> Path:
    """The folder of task YAMLs for lmms-eval: what `--include_path` would be given."""
    return _HERE / "lmms_eval"


def lm_eval_tasks() -> Path:
    """The folder of task YAMLs for lm-eval: what `--include_path` would be given."""
    return _HERE / "lm_eval"


class MissingDataError(FileNotFoundError):
    """Data that a task needs is not on this machine; the message says where it comes from and what to run."""


def data_folder() -> Path:
    """The folder of prepared data: `$MMLENS_DATA`, else `mmlens` in the user's cache folder."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().resolve()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().resolve() / "mmlens"
