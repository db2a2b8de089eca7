"""Lift of the maps by question type: is what is asked about looked at in most videos that are asked this?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lens_report.measures.curves import ALL
from lens_report.measures.picture.contrasts import LIFT, OTHER_OBJECTS, PREFIX, SINKLESS, Asked, Contrast, contrast
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Estimate, holm, score_interval
from lens_report.stats.results import MIN_CLUSTERS


@dataclass(frozen=True)
class QuestionLift:
    """One kind of map in the samples of one question type, against one kind of null.

    Attributes:
        question: The question type; in Perception Test a question that is asked of many videos.
        contrast: Lift against that of its nulls, or of the tracks of other objects. Its `p_holm` is corrected over all
            rows of the table.
        above: Share of the clusters (videos, pictures) in which the mean lift is above what it is held against.
    """

    question: str
    contrast: Contrast
    above: Estimate

    @property
    def name(self) -> str:
        """Of the test, for the correction."""
        return f"{self.question}: {self.contrast.name}"


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
    """The question types of a task with a lift and something to hold it against; nothing where there are not several.

    Args:
        task_run: The samples.
        asked: Those that count.
        null: What the nulls are called.
    """
    names, counts = np.unique(asked.types[asked.types != ""], return_counts=True)
    if len(names) < 2:
        return ByQuestion()
    rows: list[QuestionLift] = []
    left_out = []
    for name in (str(each) for each in names[np.argsort(-counts, kind="stable")]):
        found = list(_of_question(task_run, asked, name, null))
        enough = [one for one in found if one.contrast.difference.n_clusters >= MIN_CLUSTERS]
        rows += enough
        left_out += [name] if found and not enough else []
    p_holm = holm({one.name: one.contrast.p for one in rows})
    corrected = (replace(one, contrast=replace(one.contrast, p_holm=p_holm[one.name])) for one in rows)
    return ByQuestion(tuple(corrected), tuple(left_out))


def _of_question(task_run: TaskRun, asked: Asked, question: str, null: str) -> Iterator[QuestionLift]:
    members = asked.types == question
    for of, prefix in PREFIX.items():
        own = asked.column(task_run, f"gold_based.{prefix}box_lift")
        for against, which in ((null, "null_"), (OTHER_OBJECTS, "other_")) if of != SINKLESS else ():
            other = asked.column(task_run, f"gold_based.{which}{prefix}box_lift")
            for held in contrast((of, LIFT, against, ALL), own, other, asked.clusters, members):
                both = members & np.isfinite(own) & np.isfinite(other)
                sums = asked.clusters.at(both).sums((own - other)[both])
                present = np.unique(asked.clusters.codes[both])
                above = (sums[present] > 0).astype(np.float64)
                yield QuestionLift(question, held, score_interval(above, np.arange(above.size)))
