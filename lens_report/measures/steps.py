"""What the written steps of responses did: when the answer commits, how often it changes, what they were worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.candidates import indices
from lens_report.measures.columns import numbers
from lens_report.measures.curves import ALL
from lens_report.measures.picture.section import STATUS, Unmeasured, unmeasured
from lens_report.measures.task_run import Floats, TaskRun
from lens_report.stats import Comparison, Estimate, paired, score_interval

__all__ = ["EarlyAnswers", "StepGroup", "Steps", "steps"]

_NAME = "steps"
_PROBE = STATUS + _NAME
_METRICS = ("written_steps", "commit_step", "steps_after_commit", "flips_over_steps", "answer_without_thinking")


@dataclass(frozen=True)
class StepGroup:
    """The responses of one question type, or all.

    Attributes:
        group: `ALL`, or the question type.
        n: Responses whose steps were read.
        means: Metric of docs/metrics.md -> its mean over the responses that have it.
        worth: Right as answered minus right where the answer was forced without any step, paired.
    """

    group: str
    n: int
    means: dict[str, Estimate]
    worth: Comparison


@dataclass(frozen=True)
class EarlyAnswers:
    """The forced answers of the responses with one number of steps, so that all places rest on the same responses.

    Attributes:
        written: Number of steps.
        n: Responses.
        right: `[written + 1]`: share right where the answer is forced without any step, after the first, ..., all.
    """

    written: int
    n: int
    right: tuple[Estimate, ...]


@dataclass(frozen=True)
class Steps:
    """The section of one task.

    Attributes:
        groups: All responses, then each question type where there are several.
        early: By the number of steps; of responses with a known right candidate, forced after each of their steps.
        thinned: Those of them whose answers were forced after some of their steps alone.
        unread: What was not read.
    """

    groups: tuple[StepGroup, ...]
    early: tuple[EarlyAnswers, ...]
    thinned: int
    unread: tuple[Unmeasured, ...]


def steps(task_run: TaskRun) -> Steps | None:
    """The steps of a task's responses; None where the probe did not run."""
    frame = task_run.frame
    if _PROBE not in frame or not frame[_PROBE].notna().any():
        return None
    read = np.isfinite(_column(task_run, "label_free.written_steps"))
    types = frame["question_type"].to_numpy()
    names = sorted({str(name) for name in types[read] if name is not None and name == name})
    chosen: dict[str, NDArray[np.bool_]] = {ALL: read}
    chosen |= {name: read & (types == name) for name in names} if len(names) > 1 else {}
    groups = [_group(task_run, name, rows) for name, rows in chosen.items()]
    thinned = int(frame[_PROBE].astype(str).str.startswith("thinned").sum())
    unread = tuple(unmeasured(_PROBE, frame[_PROBE]))
    return Steps(tuple(groups) if read.any() else (), _early(task_run), thinned, unread)


def _early(task_run: TaskRun) -> tuple[EarlyAnswers, ...]:
    by_length: dict[int, dict[int, Floats]] = {}
    gold = indices(task_run, "gold_candidate")
    some = task_run.probe(_NAME, "read")
    for row, forced in enumerate(task_run.probe(_NAME, "forced")):
        if forced is not None and some[row] is None and gold[row] >= 0:
            right = (forced.argmax(axis=1) == gold[row]).astype(np.float64)
            by_length.setdefault(len(forced) - 1, {})[row] = right
    return tuple(_of_length(task_run, written, by_length[written]) for written in sorted(by_length))


def _of_length(task_run: TaskRun, written: int, right: dict[int, Floats]) -> EarlyAnswers:
    rows = np.isin(np.arange(len(task_run.frame)), list(right))
    clusters, answers = task_run.clusters.at(rows), np.stack(list(right.values()))
    return EarlyAnswers(written, len(answers), tuple(score_interval(column, clusters) for column in answers.T))


def _group(task_run: TaskRun, name: str, rows: NDArray[np.bool_]) -> StepGroup:
    clusters = task_run.clusters.at(rows)
    means = {each: score_interval(_column(task_run, f"label_free.{each}")[rows], clusters) for each in _METRICS}
    without = _column(task_run, "gold_based.right_without_thinking")[rows]
    verdict = task_run.frame["verdict"].to_numpy(dtype=np.float64)[rows]
    return StepGroup(name, int(rows.sum()), means, paired(without, verdict, clusters))


def _column(task_run: TaskRun, name: str) -> Floats:
    frame = task_run.frame
    return numbers(frame[name]) if name in frame else np.full(len(frame), np.nan)
