"""Scores of single documents where the harness scores only whole sets: MMMU and its kin, Perception Test, EgoSchema."""

from __future__ import annotations

import inspect
import io
import threading
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from typing import Any

__all__ = ["judged_alone"]

_SHARES = {
    "mmmu_acc": "parsed_pred",
    "cmmmu_acc": "parsed_pred",
    "jmmmu_acc": "parsed_pred",
    "accuracy": "pred_id",  # perceptiontest_val_mc
    "score": "ground_truth",  # egoschema_subset
    "egoplan_mcq_accuracy": "pred_answer",
}
"""Metric whose value over a set is the mean of what is right -> what a document's value holds until then."""
_RATING = "rating"
"""TempCompass's verdict of a document, which its table shows in per cent."""
_printing = threading.Lock()


def judged_alone(task: Any, metrics: Mapping[str, Any]) -> dict[str, float]:
    """The task's own metrics over one document alone, 0 or 1; nothing where it has no such metric.

    Args:
        task: the harness's task object.
        metrics: what its scoring gave for the document.
    """
    found = {}
    for name, value in metrics.items():
        if not isinstance(value, Mapping):
            continue
        score = value.get(_RATING) if name.endswith("_accuracy") else None
        if name in _SHARES and _SHARES[name] in value:
            score = _alone(task, name, value)
        if score in (0, 1):
            found[name] = float(score)
    return found


def _alone(task: Any, name: str, value: Any) -> Any:
    try:
        aggregate: Callable[..., Any] = task.aggregation()[name]
        more = {"args": None} if "args" in inspect.signature(aggregate).parameters else {}
        with _printing, redirect_stdout(io.StringIO()):  # those of MMMU print a table of subjects
            return aggregate([value], **more)
    except Exception:  # code of a task: what it cannot score alone has no score of its own
        return None
