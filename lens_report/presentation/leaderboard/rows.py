"""The task runs that a leaderboard may have, and which of them may be ranked against each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lens_report.measures.comparability import flags
from lens_report.measures.runs import Problem
from lens_report.measures.task_run import TaskRun, labels_of, task_runs
from lens_results import LensResultsError, Run


def readable_task_runs(runs: Sequence[Run], problems: list[Problem]) -> Iterator[TaskRun]:
    """All tasks of all runs; a run that turns out damaged becomes a problem."""
    for run, label in zip(runs, labels_of(runs), strict=True):
        try:
            found = task_runs(run, label)
            for one in found:
                one.frame  # noqa: B018  # read here, so that a damaged run is left out before rows are compared
        except LensResultsError as error:
            problems.append(Problem(run.info.run_id, str(error)))
        else:
            yield from found


def flagged(found: Sequence[TaskRun]) -> list[tuple[TaskRun, tuple[str, ...]]]:
    """Each with what makes it not comparable with the others of its task."""
    by_task: dict[str, list[TaskRun]] = {}
    for task_run in found:
        by_task.setdefault(task_run.task, []).append(task_run)
    return [(task_run, marks) for same in by_task.values() for task_run, marks in zip(same, flags(same), strict=True)]
