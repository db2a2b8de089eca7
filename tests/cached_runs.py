"""What tests of `--use_cache` look at: which records a store holds, and whether two runs read the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from plain_model import lens_tiny_bounds

from lens_results import Run, load_all, store_files

QUANTITIES = ("entropy", "logprob_pred", "jsd_last")


def stored(folder: Path) -> int:
    """Number of records in a store."""
    files = store_files(folder)
    return sum(len(run) for run in load_all(files)) if files else 0


def bytes_in(folder: Path) -> int:
    """Size of a store."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def reads_alike(one: Run, other: Run) -> bool:
    """Whether two runs have the same samples, answers, gold and readouts."""
    columns = ["task", "doc_id", "request_idx", "repeat", "response", "gold", "correct"]
    if one.samples[columns].astype(str).to_numpy().tolist() != other.samples[columns].astype(str).to_numpy().tolist():
        return False
    stacks = [(one.stack(name), other.stack(name)) for name in QUANTITIES]
    return all(a.shape == b.shape and np.allclose(a, b, **lens_tiny_bounds(), equal_nan=True) for a, b in stacks)
