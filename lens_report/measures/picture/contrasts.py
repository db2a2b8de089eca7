"""Figures of maps beside those of null boxes, and drops under masks beside those under other masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.columns import numbers
from lens_report.measures.curves import ALL, RIGHT, WRONG
from lens_report.measures.error_rows import without_repetitions
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Clusters, Estimate, difference_of_means, paired, score_interval
from lens_report.stats.results import p_of_interval

Floats = NDArray[np.float64]

ATTENTION, WORDS, NEAR, BOXES = "attention", "words", "nearness", "boxes"
SINKLESS, RELATIVE = "attention without sinks", "relative attention"
"""The kinds of maps, and the mask of the boxes; the other masks are those of the largest values of the maps."""
PREFIX = {ATTENTION: "", SINKLESS: "sinkless_", RELATIVE: "relative_", WORDS: "word_", NEAR: "near_"}
"""Kind of map -> what the names of its figures begin with in records."""
LIFT, POINTING, AUROC, DROP = "lift", "pointing", "AUROC", "drop"
ABOVE_NULL = "lift above null boxes"
NULL_BOXES, RANDOM = "null boxes", "random tokens"
WITHIN_TYPES = f"{RIGHT}, within question types"

_MAPS = (
    (LIFT, "box_lift", NULL_BOXES),
    (POINTING, "pointing", NULL_BOXES),
    (AUROC, "box_auroc", NULL_BOXES),
)
_DROPS = (
    (BOXES, "gold_based.causal_drop", "gold_based.causal_drop_random", RANDOM),
    (BOXES, "gold_based.causal_drop", "gold_based.causal_drop_null", NULL_BOXES),
    (ATTENTION, "label_free.attention_drop", "label_free.attention_drop_random", RANDOM),
    (WORDS, "label_free.word_drop", "label_free.word_drop_random", RANDOM),
)


@dataclass(frozen=True)
class Contrast:
    """A figure beside what it is held against, over the samples that have both.

    Attributes:
        of: Which map, a key of `PREFIX`; for a drop the mask: `BOXES`, or the largest values of that map.
        measure: `LIFT`, `POINTING`, `AUROC` of a map in the boxes; `ABOVE_NULL`, lift minus that of null boxes; `DROP`
            of the answer's log-odds under a mask, nats.
        against: What it is held against; for `ABOVE_NULL` the wrong answers.
        group: Which answers.
        own: Mean of the figure with its interval.
        other: Mean of what it is held against.
        difference: Mean of own minus other, paired, with a clustered interval; for `ABOVE_NULL` that of the two means,
            and for `WITHIN_TYPES` with the question type held fixed.
        p: Two-sided clustered t test of the difference; None where there is no interval.
        p_holm: Corrected over all tests of `Picture`.
    """

    of: str
    measure: str
    against: str
    group: str
    own: Estimate
    other: Estimate
    difference: Estimate
    p: float | None
    p_holm: float | None = None

    @property
    def name(self) -> str:
        """Of the test, for the correction."""
        return f"{self.measure} of {self.of} against {self.against}, {self.group}"


@dataclass(frozen=True, eq=False)
class Asked:
    """The samples of a task, each distinct question about a picture once.

    Attributes:
        rows: int [n], rows in `TaskRun.frame`.
        clusters: Of the n rows.
        groups: Group of answers -> bool [n].
        types: Question type [n]; the empty text where there is none.
    """

    rows: NDArray[np.int64]
    clusters: Clusters
    groups: dict[str, NDArray[np.bool_]]
    types: NDArray[np.str_]

    @classmethod
    def of(cls, task_run: TaskRun) -> Asked:
        """Of all samples of the task."""
        frame = task_run.frame.assign(row=np.arange(len(task_run.frame)))
        distinct = without_repetitions(frame, ["group", "question"])
        verdict = distinct["verdict"].to_numpy(dtype=np.float64)
        groups = {ALL: np.ones(verdict.size, dtype=bool), RIGHT: verdict == 1, WRONG: verdict == 0}
        types = distinct["question_type"].fillna("").to_numpy(dtype=str)
        return cls(distinct["row"].to_numpy(dtype=np.int64), Clusters.of(distinct["group"]), groups, types)

    def column(self, task_run: TaskRun, name: str) -> Floats:
        """Float [n] of a column of the frame; NaN where there is no value, or no such column."""
        if name not in task_run.frame:
            return np.full(self.rows.size, np.nan)
        return numbers(task_run.frame[name])[self.rows]


def contrasts(task_run: TaskRun, asked: Asked) -> Iterator[Contrast]:
    """All that the records allow: maps among all, right and wrong answers and between these two, masks among all."""
    sinks = (asked.column(task_run, "label_free.attention_sinks") > 0).any()
    for of, prefix in PREFIX.items():
        if of == SINKLESS and not sinks:
            continue  # these repeat those of the attention map
        for measure, name, against in _MAPS:
            own, other = (
                asked.column(task_run, f"gold_based.{column}") for column in (f"{prefix}{name}", _null_of(prefix, name))
            )
            known = np.isfinite(own) & np.isfinite(other)
            for group, members in asked.groups.items():
                if group == ALL or not members[known].all():  # a group of all of them is no second test
                    yield from contrast((of, measure, against, group), own, other, asked.clusters, members)
            if measure == LIFT:
                yield from _right_against_wrong(of, own - other, asked)
    for of, own_name, other_name, against in _DROPS:
        own, other = asked.column(task_run, own_name), asked.column(task_run, other_name)
        yield from contrast((of, DROP, against, ALL), own, other, asked.clusters, asked.groups[ALL])


def contrast(
    names: tuple[str, str, str, str], own: Floats, other: Floats, clusters: Clusters, members: NDArray[np.bool_]
) -> Iterator[Contrast]:
    """One contrast of float [n] values; nothing where no sample has both.

    Args:
        names: `of`, `measure`, `against`, `group`.
        own: The figure.
        other: What it is held against.
        clusters: Of the rows.
        members: bool [n], the group.
    """
    both = members & np.isfinite(own) & np.isfinite(other)
    if not both.any():
        return
    groups = clusters.at(both)
    found = paired(other[both], own[both], groups)
    mean_own, mean_other = (score_interval(values[both], groups) for values in (own, other))
    yield Contrast(*names, mean_own, mean_other, found.difference, found.p_value)


def _right_against_wrong(of: str, above: Floats, asked: Asked) -> Iterator[Contrast]:
    """How far lift lies above that of null boxes, float [n], among right and wrong answers; nothing without both."""
    known = np.isfinite(above)
    right, wrong = (asked.groups[name] & known for name in (RIGHT, WRONG))
    if not right.any() or not wrong.any():
        return
    judged = right | wrong
    values, first, clusters, types = above[judged], right[judged], asked.clusters.at(judged), asked.types[judged]
    own, other = (score_interval(values[group], clusters.at(group)) for group in (first, ~first))
    difference = difference_of_means(values, first, clusters)
    yield Contrast(of, ABOVE_NULL, WRONG, RIGHT, own, other, difference, p_of_interval(difference))
    if np.unique(types).size > 1:
        within = difference_of_means(values, first, clusters, types)
        yield Contrast(of, ABOVE_NULL, WRONG, WITHIN_TYPES, own, other, within, p_of_interval(within))


def _null_of(prefix: str, name: str) -> str:
    return f"null_{prefix}{name}"
