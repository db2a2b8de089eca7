"""One model's result on a data set of a benchmark, whose documents may be shared out among several tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.main_score import PREFIX, values_of
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Clusters, Estimate, score_interval

Floats = NDArray[np.float64]

VERDICT_NAME = "lens verdict"
LENS_MEASURES = ("commit_depth", "vocab_commit_depth", "final_prob", "vocab_final_prob")
"""Label-free scalars that a data set has means of: among the candidates, or of open answers in the whole vocabulary."""

_MODEL_PARTS = ("checkpoint", "weights", "adapter", "quantisation", "dtype", "attention", "interventions")


@dataclass(frozen=True, eq=False)
class DataSetResult:
    """Result of one model on one data set.

    Attributes:
        task_runs: One of each of its tasks that was run.
        metric: What the score is, as the harness calls it, or `lens verdict`; empty without a score.
        score: Mean over all documents with a right answer and a score, whichever task they are of.
        n: Documents.
        n_gold: Documents with a right answer.
        coverage: Share read out.
        named: Share of answers that name a candidate; None without candidates.
        lens: Of `LENS_MEASURES` those that any document has: mean over these documents.
        partial: Why these are not all documents of the data set; empty when they are, as far as the records tell.
    """

    task_runs: tuple[TaskRun, ...]
    metric: str
    score: Estimate
    n: int
    n_gold: int
    coverage: Estimate
    named: Estimate | None
    lens: dict[str, Estimate]
    partial: tuple[str, ...] = ()


def data_set_result(task_runs: Sequence[TaskRun], n_tasks: int, metrics: Collection[str]) -> DataSetResult:
    """Pool the tasks of a data set: every document counts once, documents of one image are a cluster.

    Args:
        task_runs: Of one model, at least one.
        n_tasks: How many tasks the data set has.
        metrics: Names of the harness's metric that is the data set's score. Where none was stored (`--predict_only`)
            the record's verdict takes its place, on documents with candidates alone: of an open answer it knows only
            when it is right.
    """
    clusters = _joined([one.clusters for one in task_runs])
    gold = np.concatenate([_has_gold(one) for one in task_runs])
    metric, values = _scores(task_runs, metrics)
    closed = np.concatenate([one.closed_rows for one in task_runs])
    named = _values(task_runs, lambda one: (~one.format_error).astype(np.float64))
    return DataSetResult(
        task_runs=tuple(task_runs),
        metric=metric,
        score=score_interval(np.where(gold, values, np.nan), clusters),
        n=gold.size,
        n_gold=int(gold.sum()),
        coverage=score_interval(_values(task_runs, lambda one: one.read_out.astype(np.float64)), clusters),
        named=score_interval(np.where(closed, named, np.nan), clusters) if closed.any() else None,
        lens=_lens(task_runs, clusters),
        partial=_partial(task_runs, n_tasks),
    )


def model_key(task_run: TaskRun) -> str:
    """Equal for runs of one model: its name, and of its fingerprint what the weights and their arithmetic are."""
    info = task_run.run.info
    parts = {name: info.fingerprint.get(name) for name in _MODEL_PARTS}
    return json.dumps([info.model.name_or_path, info.model.revision, parts], sort_keys=True, default=str)


def _scores(task_runs: Sequence[TaskRun], metrics: Collection[str]) -> tuple[str, Floats]:
    """Name and values [n] of the score; the verdict as soon as one of the tasks does not have the metric."""
    columns = [_column(one, metrics) for one in task_runs]
    if None not in columns:
        name = str(columns[0]).removeprefix(PREFIX).partition(",")[0]
        found = [values_of(one.frame, str(column)) for one, column in zip(task_runs, columns, strict=True)]
        return name, np.concatenate(found)
    values = _values(task_runs, _verdict)
    return (VERDICT_NAME if np.isfinite(values).any() else ""), values


def _verdict(task_run: TaskRun) -> Floats:
    """float [n], the verdict on documents with candidates; an answer that names none of them is wrong."""
    known = task_run.frame["status"].isin(("ok", "no_answer")).to_numpy(dtype=bool)
    return np.where(task_run.format_error & known, 0.0, task_run.answered_right)


def _column(task_run: TaskRun, metrics: Collection[str]) -> str | None:
    """The first column of one of the metrics; several filters store a metric each."""
    columns = [str(column) for column in task_run.frame.columns if str(column).startswith(PREFIX)]
    known = [column for column in columns if np.isfinite(values_of(task_run.frame, column)).any()]
    return next((name for name in known if name.removeprefix(PREFIX).partition(",")[0] in metrics), None)


def _has_gold(task_run: TaskRun) -> NDArray[np.bool_]:
    """bool [n], documents whose right answer is known. A harness scores the others too, against an empty text."""
    frame = task_run.frame
    return (frame["gold"].map(len) > 0).to_numpy(dtype=bool) | frame["gold_candidate"].notna().to_numpy(dtype=bool)


def _lens(task_runs: Sequence[TaskRun], clusters: Clusters) -> dict[str, Estimate]:
    found = {}
    for name in LENS_MEASURES:
        values = np.concatenate([_label_free(one, name) for one in task_runs])
        if np.isfinite(values).any():
            found[name] = score_interval(values, clusters)
    return found


def _label_free(task_run: TaskRun, name: str) -> Floats:
    frame, column = task_run.frame, f"label_free.{name}"
    return values_of(frame, column) if column in frame else np.full(len(frame), np.nan)


def _values(task_runs: Sequence[TaskRun], of: Callable[[TaskRun], Floats]) -> Floats:
    return np.concatenate([of(one) for one in task_runs])


def _joined(parts: Sequence[Clusters]) -> Clusters:
    """The clusters of several tasks, none of them shared between tasks."""
    starts = np.cumsum([0, *(part.count for part in parts)])
    codes = np.concatenate([part.codes + start for part, start in zip(parts, starts[:-1], strict=True)])
    return Clusters(codes, int(starts[-1]), sum(part.n_unlabelled for part in parts))


def _partial(task_runs: Sequence[TaskRun], n_tasks: int) -> tuple[str, ...]:
    reasons = []
    if len(task_runs) < n_tasks:
        reasons.append(f"{len(task_runs)} of {n_tasks} tasks")
    if any(one.run.info.limits.get("limit") for one in task_runs):
        reasons.append("limit")
    if not all(one.run.complete for one in task_runs):
        reasons.append("run not complete")
    return tuple(reasons)
