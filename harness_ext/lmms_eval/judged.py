"""Scores of single documents where the harness scores only whole sets: MMMU and its kin."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

__all__ = ["judged_alone"]

_SHARES = ("mmmu_acc", "cmmmu_acc", "jmmmu_acc")
"""Metrics whose value over a set is a mean of what is right; they keep the parsed answer of a document until then."""
_printing = threading.Lock()


def judged_alone(task: Any, metrics: Mapping[str, Any]) -> dict[str, float]:
    """The task's own metric over one document alone, 0 or 1; nothing where it has no such metric.

    Args:
        task: the harness's task object.
        metrics: what its scoring gave for the document.
    """
    found = {}
    for name in _SHARES:
        value = metrics.get(name)
        if not isinstance(value, Mapping) or "parsed_pred" not in value:
            continue
        try:
            with _printing, redirect_stdout(io.StringIO()):  # these functions print a table of subjects
                score = task.aggregation()[name]([value])
        except Exception:  # code of a task: what it cannot score alone has no score of its own
            continue
        if score in (0, 1):
            found[name] = float(score)
    return found
