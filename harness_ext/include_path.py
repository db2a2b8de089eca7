"""Put our folder of tasks behind those that `--include_path` names.

The plugin of a harness is imported in every run of it, with whatever model: what it imports costs all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["folders"]


def folders(include_path: Any) -> list[Any]:
    """The folders of `--include_path`: none, one, or a list of them."""
    return [include_path] if isinstance(include_path, str | Path) else list(include_path or [])
