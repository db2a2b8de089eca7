"""Do the layers go through English? English equivalents of the answer beside the answer in the task's language."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lens_report.measures.candidates import cand_scores, indices
from lens_report.measures.curves import ALL, GroupCurve, grouped
from lens_report.measures.task_run import TaskRun


@dataclass(frozen=True, eq=False)
class Pivot:
    """English against the task's language by layer.

    Attributes:
        layers: int [L].
        n: Samples with both scores.
        n_sequences: Samples left out because their candidates were scored as whole sequences: a log-probability of a
            sequence does not compare with a logit.
        gap: Score of the answer's English equivalent minus that of the answer itself, nats.
        ahead: Share of samples in which the English equivalent scores higher.
    """

    layers: np.ndarray
    n: int
    n_sequences: int
    gap: GroupCurve
    ahead: GroupCurve


def pivot(task_run: TaskRun) -> Pivot | None:
    """The pivot of a task whose candidates have English equivalents; None on other tasks."""
    own, english = cand_scores(task_run), task_run.wide("pivot_scores")
    if own is None or english is None:
        return None
    frame = task_run.frame
    paired = (frame["pivot_labels"].map(len) == frame["candidates"].map(len)).to_numpy(dtype=bool)
    answer = indices(task_run, "pred_candidate")
    sequences = paired & (answer >= 0) & task_run.sequence_rows
    known = paired & (answer >= 0) & ~task_run.sequence_rows
    place = np.where(known, answer, 0)[:, None, None]
    gap = np.take_along_axis(english, place, axis=2)[..., 0] - np.take_along_axis(own, place, axis=2)[..., 0]
    gap = np.where(known[:, None], gap, np.nan)
    if not np.isfinite(gap).any():
        return None
    everything = {ALL: known}
    ahead = np.where(np.isfinite(gap), (gap > 0).astype(np.float64), np.nan)
    (gap_line,) = grouped(task_run, gap, everything)
    (ahead_line,) = grouped(task_run, ahead, everything)
    return Pivot(task_run.layers, gap_line.n, int(sequences.sum()), gap_line, ahead_line)
