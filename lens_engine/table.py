"""The lens metrics that stand beside a task's own metrics in a harness's table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

from lens_models.metrics import METRICS, names
from lens_results import SampleRecord

__all__ = ["METRIC_NAMES", "harness_metrics", "higher_is_better", "numeric_scores", "scores_of_filter"]

_LABEL_FREE = (
    "commit_depth", "flips", "auc_pred", "late_drop", "final_prob",
    "vocab_commit_depth", "vocab_flips", "vocab_auc_pred", "vocab_final_prob", "visual_gain",
    *names("label_free", "image"),
    *names("label_free", "steps"),
)  # fmt: skip
_GOLD_BASED = (
    "first_correct_layer",
    "stable_correct_layer",
    "emerged",
    "correct_then_lost",
    "wrong_then_corrected",
    *names("gold_based", "image"),
    *names("gold_based", "steps"),
    *names("gold_based", "regions"),
)
_SHOWN_LABEL_FREE, _SHOWN_GOLD_BASED = ([(name, f"lens_{name}") for name in own] for own in (_LABEL_FREE, _GOLD_BASED))
COVERAGE = "lens_coverage"
NAMED = "lens_named"
YES_RATIO = "lens_yes_ratio"

METRIC_NAMES: tuple[str, ...] = (*(f"lens_{name}" for name in _GOLD_BASED + _LABEL_FREE), YES_RATIO, NAMED, COVERAGE)
"""All names that `harness_metrics` may use."""


def higher_is_better() -> dict[str, bool | None]:
    """Direction of each metric for a harness's table; None where neither is better."""
    known = {f"lens_{name}": METRICS[name].higher_is_better for name in _GOLD_BASED + _LABEL_FREE}
    return known | {COVERAGE: True, NAMED: True, YES_RATIO: None}


def harness_metrics(record: SampleRecord | None) -> dict[str, float]:
    """Metric name -> value for one document.

    A value that does not exist for this document (no gold, answer never emerged, capture failed) is left out, so the
    harness averages over the documents that have it; `lens_coverage` and `lens_emerged` say how many those are.
    `lens_named` is, of the documents with candidates that were read, the share whose answer names one: without that
    there is no commit depth and no final probability.
    """
    values = {COVERAGE: float(record is not None and record.status == "ok")}
    if record is None:
        return values
    for listed, scalars in ((_SHOWN_GOLD_BASED, record.gold_based), (_SHOWN_LABEL_FREE, record.label_free)):
        values.update({shown: float(value) for name, shown in listed if (value := scalars.get(name)) is not None})
    if _candidates_known_before(record):
        values[NAMED] = float(record.pred_candidate is not None)
    if record.binary is not None and record.pred_candidate is not None:
        values[YES_RATIO] = float(record.pred_candidate == record.binary[0])
    return values


def _candidates_known_before(record: SampleRecord) -> bool:
    """Whether the candidates are the task's; in open tasks they are the answer given and the gold answer.

    Behind a server, without layers, open answers have none.
    """
    if record.n_layers is None:
        return bool(record.candidates)
    if record.status != "ok":
        return False
    outside = bool(record.candidates) and record.pred_candidate is None
    return outside or any(record.label_free.get(name) is not None for name in ("final_margin", "max_alt"))


def numeric_scores(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among a harness's per-document metrics, NaN and infinity too; what is no number is left out.

    Numbers are those of Python, numpy and torch, truth values, decimals and fractions, alone or as the only element of
    a list or an array; a dict counts as its `score`.
    """
    found = {name: _number(value) for name, value in metrics.items()}
    return {str(name): value for name, value in found.items() if value is not None}


def scores_of_filter(scores: Mapping[str, float], chosen: str, filters: Collection[str]) -> dict[str, float]:
    """Scores under the names of a harness's table where a task has several filters: `exact_match,strict-match`."""
    return {f"{name},{chosen}" if len(filters) > 1 else name: value for name, value in scores.items()}


def _number(value: Any) -> float | None:
    if isinstance(value, Mapping):
        value = value.get("score")
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(value) == 1:
        value = value[0]
    try:
        if callable(getattr(value, "item", None)):  # numpy and torch, also with one element
            value = value.item()
        return float(value) if isinstance(value, Real | Decimal) else None
    except (TypeError, ValueError, OverflowError, RuntimeError):  # several elements, or a number beyond any float
        return None
