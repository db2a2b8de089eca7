"""Abstaining by stability over the layers, against abstaining when the final confidence is low."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lens_report.measures.error_rows import error_rows
from lens_report.measures.predictors import LABEL_FREE, sign
from lens_report.measures.task_run import TaskRun
from lens_report.stats import RiskCoverage, holm, risk_coverage

_STABILITY = ("commit_depth", "flips", "auc_pred")
"""What counts as unstable: late commitment, changes of the leader, a small mean share over the upper layers."""
KEPT = 0.8
"""Share of the answers kept at which the text gives the risk."""


@dataclass(frozen=True, eq=False)
class Abstention:
    """Abstaining by one score.

    Attributes:
        column: The score; answers in which it points to an error are given up first.
        curve: Risk by coverage with its area.
        p_holm: p-value of the difference to final confidence, corrected for all scores; None for the confidence itself.
    """

    column: str
    curve: RiskCoverage
    p_holm: float | None


@dataclass(frozen=True, eq=False)
class Abstentions:
    """All scores of a task.

    Attributes:
        n: Answers with all scores.
        n_wrong: Wrong ones among them: abstaining at random keeps this share.
        scores: The final confidence first.
        why_none: Why there is nothing; empty otherwise.
    """

    n: int
    n_wrong: int
    scores: tuple[Abstention, ...]
    why_none: str = ""


def abstentions(task_run: TaskRun) -> Abstentions:
    """Risk-coverage curves on the answers that can be asked about errors."""
    rows = error_rows(task_run)
    confidence = task_run.confidence
    if confidence is None or not rows.error.size:
        return Abstentions(0, 0, (), "no answer has a verdict and a final confidence")
    if not rows.error.any() or rows.error.all():
        return Abstentions(0, 0, (), "all answers are right" if not rows.error.any() else "all answers are wrong")
    vocabulary = "vocab_" if "vocab_" in confidence else ""
    names = [f"{LABEL_FREE}{vocabulary}{name}" for name in _STABILITY]
    columns = [name for name in names if name in rows.frame and rows.frame[name].notna().any()]
    if not columns:
        return Abstentions(0, 0, (), "no measure of how settled the layers are was recorded")
    scores = {name: sign(name) * rows.frame[name].to_numpy(dtype=np.float64) for name in (confidence, *columns)}
    found = risk_coverage(scores, rows.error, rows.clusters, baseline=confidence)
    corrected = holm({name: curve.p_value for name, curve in found.items()})
    area = found[confidence].aurc
    return Abstentions(
        area.n,
        area.n_errors or 0,
        tuple(Abstention(name, curve, corrected[name]) for name, curve in found.items()),
    )
