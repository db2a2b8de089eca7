"""The same questions before and after something was shown: what was learnt, what was lost, and where it was read.

VideoMMMU asks its adaptation questions without the lecture and with it, and defines the knowledge gain
(acc_after - acc_before) / (100 - acc_before) (Hu et al., arXiv:2501.13826, section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.measures.columns import numbers
from lens_report.measures.comparability import gold_answers
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Clusters, Comparison, Estimate, paired, ratio_of_means, score_interval

__all__ = ["KNOWN_PAIRS", "BeforeAfter", "LearntLayers", "before_after"]

Floats = NDArray[np.float64]

TaskPair = tuple[str, str]
KNOWN_PAIRS: tuple[TaskPair, ...] = (("video_mmmu_adaptation_question_only", "video_mmmu_adaptation"),)
"""(task before, task after) of the benchmarks that ask so."""
_KEYS = ["doc_id", "request_idx", "repeat"]


@dataclass(frozen=True)
class LearntLayers:
    """Where the right answer was read in questions that were wrong before and right after.

    Attributes:
        held_before: Share of them in which the right answer already led in some layer before, and was not given.
        depth: Relative depth after, from which the right answer leads to the end.
        depth_known: The same of questions that were right both times.
    """

    held_before: Estimate
    depth: Estimate
    depth_known: Estimate


@dataclass(frozen=True)
class BeforeAfter:
    """One model on the same questions, before and after.

    Attributes:
        before: Task.
        after: Task.
        run: Label of the run with the second task.
        score: What was compared: the tasks' main score where it is 0 or 1 for each sample, else the verdict.
        comparison: After minus before, paired by question.
        gain: (after - before) / (1 - before); 1 where all that was missing is learnt, negative where more is lost.
        learnt: Share right after, of the questions that were wrong before.
        lost: Share wrong after, of the questions that were right before.
        layers: None where the layers were not read.
        relabelled: Questions with other right answers in the two tasks; they are left out.
    """

    before: str
    after: str
    run: str
    score: str
    comparison: Comparison
    gain: Estimate
    learnt: Estimate
    lost: Estimate
    layers: LearntLayers | None
    relabelled: int = 0


def before_after(task_runs: Sequence[TaskRun], pairs: Sequence[TaskPair] = ()) -> list[BeforeAfter]:
    """All pairs of tasks that one model was asked.

    Args:
        task_runs: Of a report. Runs are of one model where their descriptions of it are equal.
        pairs: (task before, task after); `KNOWN_PAIRS` are looked for in any case.
    """
    wanted = {*KNOWN_PAIRS, *pairs}
    return [
        _compare(before, after)
        for after in task_runs
        for before in task_runs
        if (before.task, after.task) in wanted and before.run.info.model == after.run.info.model
    ]


def _compare(before: TaskRun, after: TaskRun) -> BeforeAfter:
    score = before.score.name if _judges(before) and _judges(after) and before.score.name == after.score.name else ""
    golds = gold_answers(before), gold_answers(after)
    relabelled = {key for key in golds[0].keys() & golds[1].keys() if golds[0][key] != golds[1][key]}
    left, right = (_questions(each, by_score=bool(score)) for each in (before, after))
    both = left.merge(right, on=_KEYS, suffixes=("_before", "_after"))
    keys = zip(*(both[name] for name in _KEYS), strict=True)
    both = both[[key not in relabelled for key in keys]]
    first, second = (both[f"right_{when}"].to_numpy(dtype=np.float64) for when in ("before", "after"))
    clusters = Clusters.of(both["group_before"])
    known = np.isfinite(first) & np.isfinite(second)
    return BeforeAfter(
        before.task,
        after.task,
        after.label,
        score or "lens verdict",
        paired(first, second, clusters),
        ratio_of_means(second - first, np.where(np.isfinite(second), 1 - first, np.nan), clusters),
        _among(second, known & (first == 0), clusters),
        _among(1 - second, known & (first == 1), clusters),
        _layers(both, known, first, second, clusters),
        len(relabelled),
    )


def _judges(task_run: TaskRun) -> bool:
    """Whether the main score says right or wrong of each sample."""
    values = task_run.score.values
    return bool(np.isin(values[np.isfinite(values)], (0.0, 1.0)).all()) and bool(np.isfinite(values).any())


def _questions(task_run: TaskRun, *, by_score: bool) -> pd.DataFrame:
    frame = task_run.frame
    columns = {name: f"gold_based.{name}" for name in ("emerged", "stable_correct_layer")}
    read = {name: numbers(frame[column]) for name, column in columns.items() if column in frame}
    missing = {name: np.full(len(frame), np.nan) for name in columns if name not in read}
    values = task_run.score.values if by_score else numbers(frame["verdict"])
    stable = {**read, **missing}["stable_correct_layer"]
    depth = {"depth": stable / task_run.n_layers if task_run.has_layers else stable}
    return frame[[*_KEYS, "group"]].assign(right=values, **read, **missing, **depth)


def _among(values: Floats, rows: NDArray[np.bool_], clusters: Clusters) -> Estimate:
    return score_interval(values[rows], clusters.at(rows))


def _layers(
    both: pd.DataFrame, known: NDArray[np.bool_], first: Floats, second: Floats, clusters: Clusters
) -> LearntLayers | None:
    held, depth = (both[name].to_numpy(dtype=np.float64) for name in ("emerged_before", "depth_after"))
    learnt, kept = known & (first == 0) & (second == 1), known & (first == 1) & (second == 1)
    if not (np.isfinite(held).any() or np.isfinite(depth).any()):
        return None
    return LearntLayers(
        _among(held, learnt & np.isfinite(held), clusters),
        _among(depth, learnt & np.isfinite(depth), clusters),
        _among(depth, kept & np.isfinite(depth), clusters),
    )
