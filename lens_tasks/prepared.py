"""Data that users bring themselves: where it is kept, and what to do when it is not there."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "MMLENS_DATA"


class MissingDataError(FileNotFoundError):
    """Data that a task needs is not on this machine; the message says where it comes from and what to run."""


def data_folder() -> Path:
    """The folder of prepared data: `$MMLENS_DATA`, else `mmlens` in the user's cache folder."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().resolve()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().resolve() / "mmlens"
