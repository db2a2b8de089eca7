"""The scores of a task with clustered intervals, the harness's and the verdict of the record beside each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lens_report.measures.main_score import VERDICT, score_columns, score_name, values_of
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Estimate, score_interval


@dataclass(frozen=True)
class Scores:
    """Scores of one task.

    Attributes:
        main: Name of the main score (see `lens_report.measures.main_score`).
        beside: Names of the scores that share the samples out with it; empty where it covers them all.
        by_name: Score -> mean with interval, the main one first; the record's verdict is `lens verdict`.
        n_disagree: Samples in which main score and verdict say different things.
        yes_ratio: Share of the positive answer among the answers given, on binary tasks.
        gold_yes_ratio: Share of the positive answer among the gold answers.
    """

    main: str
    beside: tuple[str, ...]
    by_name: dict[str, Estimate]
    n_disagree: int
    yes_ratio: Estimate | None
    gold_yes_ratio: Estimate | None

    @property
    def score(self) -> Estimate:
        """The main score."""
        return self.by_name[self.main]


def scores(task_run: TaskRun) -> Scores:
    """Means of all accuracy-like scores of the harness and of the verdict."""
    frame = task_run.frame
    columns = score_columns(frame, task_run.listed)
    by_name = {score_name(column): score_interval(values_of(frame, column), task_run.clusters) for column in columns}
    verdict = values_of(frame, VERDICT)
    by_name["lens verdict"] = score_interval(verdict, task_run.clusters)
    both = np.isfinite(verdict) & np.isfinite(task_run.score.judged)
    n_disagree = int((verdict[both] != task_run.score.judged[both]).sum())
    return Scores(
        task_run.score.name,
        tuple(score_name(column) for column in task_run.score.beside),
        by_name,
        n_disagree,
        _yes_ratio(task_run, "pred_candidate"),
        _yes_ratio(task_run, "gold_candidate"),
    )


def _yes_ratio(task_run: TaskRun, column: str) -> Estimate | None:
    """Share of samples whose `column` is the positive candidate; None on tasks that are not binary."""
    frame = task_run.frame
    binary = frame["binary"].map(lambda pair: pair is not None and pair == pair)
    if not binary.any():
        return None
    chosen = frame[column].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    positive = np.array([pair[0] if has else np.nan for pair, has in zip(frame["binary"], binary, strict=True)])
    known = np.isfinite(chosen) & np.isfinite(positive)
    return score_interval(np.where(known, (chosen == positive).astype(np.float64), np.nan), task_run.clusters)
