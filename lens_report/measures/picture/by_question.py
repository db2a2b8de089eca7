"""Lift of the maps by question type: is what is asked about looked at in most videos that are asked this?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lens_report.measures.curves import ALL
from lens_report.measures.picture.contrasts import LIFT, OTHER_OBJECTS, PREFIX, SINKLESS, Asked, Contrast, contrast
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Estimate, holm, score_interval
from lens_report.stats.results import MIN_CLUSTERS


@dataclass(frozen=True)
class QuestionLift:
    """One kind of map in the samples of one question type.

    Attributes:
        question: The question type; in Perception Test a question that is asked of many videos.
        null: Lift against the nulls. Its `p_holm` is corrected over all rows of the table.
        other: Lift against that in the tracks of other objects; None without any.
        above: Share of the clusters (videos, pictures) in which the mean lift is above that of the nulls.
    """

    question: str
    null: Contrast
    other: Contrast | None
    above: Estimate


@dataclass(frozen=True)
class ByQuestion:
    """All question types of a task.

    Attributes:
        rows: Question types in order of their samples, most first, each with all of its maps.
        left_out: Question types with fewer than `MIN_CLUSTERS` clusters.
    """

    rows: tuple[QuestionLift, ...] = ()
    left_out: tuple[str, ...] = ()


def by_question(task_run: TaskRun, asked: Asked, null: str) -> ByQuestion:
    """The question types of a task with a lift and a null; nothing where there are not several.

    Args:
        task_run: The samples.
        asked: Those that count.
        null: What the nulls are called.
    """
    names, counts = np.unique(asked.types[asked.types != ""], return_counts=True)
    if len(names) < 2:
        return ByQuestion()
    rows, left_out = [], []
    for name in (str(each) for each in names[np.argsort(-counts, kind="stable")]):
        found = [one for of in PREFIX if of != SINKLESS for one in _of_map(task_run, asked, name, of, null)]
        rows += [one for one in found if one.null.difference.n_clusters >= MIN_CLUSTERS]
        left_out += [name] if found and all(one.null.difference.n_clusters < MIN_CLUSTERS for one in found) else []
    p_holm = holm({f"{one.question}\n{one.null.of}": one.null.p for one in rows})
    return ByQuestion(
        tuple(replace(one, null=replace(one.null, p_holm=p_holm[f"{one.question}\n{one.null.of}"])) for one in rows),
        tuple(left_out),
    )


def _of_map(task_run: TaskRun, asked: Asked, question: str, of: str, null: str) -> list[QuestionLift]:
    """One row, or none where no sample has both."""
    own, nulls, others = (
        asked.column(task_run, f"gold_based.{which}{PREFIX[of]}box_lift") for which in ("", "null_", "other_")
    )
    members = asked.types == question
    held = next(contrast((of, LIFT, null, ALL), own, nulls, asked.clusters, members), None)
    if held is None:
        return []
    other = next(contrast((of, LIFT, OTHER_OBJECTS, ALL), own, others, asked.clusters, members), None)
    both = members & np.isfinite(own) & np.isfinite(nulls)
    sums = asked.clusters.at(both).sums(np.column_stack([(own - nulls)[both], np.ones(int(both.sum()))]))
    above = sums[sums[:, 1] > 0, 0] > 0
    return [QuestionLift(question, held, other, score_interval(above.astype(np.float64), np.arange(above.size)))]
