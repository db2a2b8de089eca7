"""How much of a task was read out, and how far the readout can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lens_report.measures.task_run import TaskRun
from lens_report.stats import Estimate, score_interval


@dataclass(frozen=True)
class Overview:
    """Counts of one task of one run.

    Attributes:
        n: Samples.
        n_groups: Independent groups (images, pairs) among them.
        group_note: Why the groups are not the records' clusters; empty where they are.
        n_unlabelled: Samples without a group, each counted as its own.
        n_repeated: Samples that repeat a question about the same image.
        status: Status -> samples, most first.
        coverage: Share read out at the answer.
        format_errors: Share of answers outside the candidates; None for a task without candidates.
        n_right: Samples with a right answer.
        n_wrong: Samples with a wrong answer, format errors not among them.
        n_unscored: Samples without a verdict, format errors not among them.
        n_checked: Samples whose last layer was compared with the model's logits.
        worst_deviation: Largest deviation there, relative to the range of the logits; None when none was checked.
        argmax_agrees: Whether readout and model always had the same most likely token.
    """

    n: int
    n_groups: int
    group_note: str
    n_unlabelled: int
    n_repeated: int
    status: dict[str, int]
    coverage: Estimate
    format_errors: Estimate | None
    n_right: int
    n_wrong: int
    n_unscored: int
    n_checked: int
    worst_deviation: float | None
    argmax_agrees: bool | None


def overview(task_run: TaskRun) -> Overview:
    """Count what there is."""
    frame, clusters = task_run.frame, task_run.clusters
    verdict = frame["verdict"].to_numpy(dtype=np.float64)
    scored = ~task_run.format_error
    deviation = frame["identity_deviation"].dropna()
    agrees = frame["identity_argmax"].dropna()
    formats = score_interval(task_run.format_error.astype(np.float64), clusters) if task_run.closed else None
    return Overview(
        n=len(frame),
        n_groups=clusters.n_present(),
        group_note=task_run.groups.note,
        n_unlabelled=clusters.n_unlabelled,
        n_repeated=int(frame.duplicated(subset=["group", "question"]).sum() if frame["group"].notna().any() else 0),
        status={str(name): int(count) for name, count in frame["status"].value_counts().items()},
        coverage=score_interval(task_run.read_out.astype(np.float64), clusters),
        format_errors=formats,
        n_right=int((verdict[scored] == 1).sum()),
        n_wrong=int((verdict[scored] == 0).sum()),
        n_unscored=int(np.isnan(verdict[scored]).sum()),
        n_checked=len(deviation),
        worst_deviation=float(deviation.max()) if len(deviation) else None,
        argmax_agrees=bool(agrees.astype(bool).all()) if len(agrees) else None,
    )
