"""The lens metrics that stand beside a task's own metrics in a harness's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lens_models.metrics import METRICS
from lens_results import SampleRecord

__all__ = ["METRIC_NAMES", "harness_metrics", "higher_is_better", "numeric_scores"]

_LABEL_FREE = ("commit_depth", "flips", "auc_pred", "late_drop", "final_prob", "visual_gain")
_GOLD_BASED = (
    "first_correct_layer",
    "stable_correct_layer",
    "emerged",
    "correct_then_lost",
    "wrong_then_corrected",
)
COVERAGE = "lens_coverage"
YES_RATIO = "lens_yes_ratio"

METRIC_NAMES: tuple[str, ...] = (*(f"lens_{name}" for name in _GOLD_BASED + _LABEL_FREE), YES_RATIO, COVERAGE)
"""All names that `harness_metrics` may use."""


def higher_is_better() -> dict[str, bool | None]:
    """Direction of each metric for a harness's table; None where neither is better."""
    known = {f"lens_{name}": METRICS[name].higher_is_better for name in _GOLD_BASED + _LABEL_FREE}
    return known | {COVERAGE: True, YES_RATIO: None}


def harness_metrics(record: SampleRecord | None) -> dict[str, float]:
    """Metric name -> value for one document.

    A value that does not exist for this document (no gold, answer never emerged, capture failed) is left out, so the
    harness averages over the documents that have it; `lens_coverage` and `lens_emerged` say how many those are.
    """
    values = {COVERAGE: float(record is not None and record.status == "ok")}
    if record is None:
        return values
    for names, scalars in ((_GOLD_BASED, record.gold_based), (_LABEL_FREE, record.label_free)):
        values.update({f"lens_{name}": float(value) for name in names if (value := scalars.get(name)) is not None})
    if record.binary is not None and record.pred_candidate is not None:
        values[YES_RATIO] = float(record.pred_candidate == record.binary[0])
    return values


def numeric_scores(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among a harness's per-document metrics; a dict with a `score` counts as that score."""
    scores = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            value = value.get("score")
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 1:
            value = value[0]
        if isinstance(value, bool | int | float):
            scores[name] = float(value)
    return scores
