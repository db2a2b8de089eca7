"""Figures of maps beside those of null boxes or null tracks, and drops under masks beside those under other masks."""

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

ATTENTION, WORDS, NEAR, BOXES, TRACK = "attention", "words", "nearness", "boxes", "track"
SINKLESS, RELATIVE = "attention without sinks", "relative attention"
"""The kinds of maps, and the mask of the boxes, or of the track; the other masks are the largest values of the maps."""
PREFIX = {ATTENTION: "", SINKLESS: "sinkless_", RELATIVE: "relative_", WORDS: "word_", NEAR: "near_"}
"""Kind of map -> what the names of its figures begin with in records."""
LIFT, POINTING, AUROC, DROP = "lift", "pointing", "AUROC", "drop"
ABOVE_NULL = "lift above its null"
HIDDEN_LIFT, CORRELATION = "lift while hidden", "correlation with what is seen"
NULL_BOXES, NULL_TRACKS, OTHER_OBJECTS, RANDOM = "null boxes", "null tracks", "other objects", "random tokens"
NULLS = (NULL_BOXES, NULL_TRACKS)
"""What a map has to beat: boxes elsewhere in a picture, the same path at another time of a video."""
WITHIN_TYPES = f"{RIGHT}, within question types"

_MAPS = ((LIFT, "box_lift"), (POINTING, "pointing"), (AUROC, "box_auroc"))
_CAUSAL = "gold_based.causal_drop"
_DROPS = (
    (ATTENTION, "label_free.attention_drop", "label_free.attention_drop_random", RANDOM),
    (WORDS, "label_free.word_drop", "label_free.word_drop_random", RANDOM),
)


@dataclass(frozen=True)
class Contrast:
    """A figure beside what it is held against, over the samples that have both.

    Attributes:
        of: Which map, a key of `PREFIX`; for a drop the mask: `BOXES`, `TRACK`, or the largest values of that map.
        measure: `LIFT`, `POINTING`, `AUROC` of a map in the boxes; `ABOVE_NULL`, lift minus that of its null;
            `HIDDEN_LIFT` and `CORRELATION` of a map in a track; `DROP` of the answer's log-odds under a mask, nats.
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


def null_of(task_run: TaskRun) -> str:
    """What maps of a task are held against."""
    tracked = any(each is not None for each in task_run.probe("tracks", "box"))
    return NULL_TRACKS if tracked else NULL_BOXES


def contrasts(task_run: TaskRun, asked: Asked, null: str) -> Iterator[Contrast]:
    """All that the records allow: maps among all, right and wrong answers and between these two, masks among all.

    Args:
        task_run: The samples.
        asked: Those that count.
        null: What the nulls are called.
    """
    sinks = (asked.column(task_run, "label_free.attention_sinks") > 0).any()
    for of, prefix in PREFIX.items():
        if of == SINKLESS and not sinks:
            continue  # these repeat those of the attention map
        for measure, name in _MAPS:
            own, other = (
                asked.column(task_run, f"gold_based.{column}") for column in (f"{prefix}{name}", f"null_{prefix}{name}")
            )
            known = np.isfinite(own) & np.isfinite(other)
            for group, members in asked.groups.items():
                if group == ALL or not members[known].all():  # a group of all of them is no second test
                    yield from contrast((of, measure, null, group), own, other, asked.clusters, members)
            if measure == LIFT:
                yield from _right_against_wrong(of, own - other, asked)
        yield from _of_track(task_run, asked, of, prefix)
    of = TRACK if null == NULL_TRACKS else BOXES
    held = ((RANDOM, "random"), (null, "null"), (OTHER_OBJECTS, "other"))
    of_boxes = [(of, _CAUSAL, f"{_CAUSAL}_{suffix}", against) for against, suffix in held]
    for of, own_name, other_name, against in (*of_boxes, *_DROPS):
        own, other = asked.column(task_run, own_name), asked.column(task_run, other_name)
        yield from contrast((of, DROP, against, ALL), own, other, asked.clusters, asked.groups[ALL])


def _of_track(task_run: TaskRun, asked: Asked, of: str, prefix: str) -> Iterator[Contrast]:
    """What a map has of a track alone: other objects, frames in which it is hidden, from frame to frame."""
    hidden, seen = f"hidden_{prefix}box_lift", f"{prefix}visibility_correlation"
    held = [(measure, f"{prefix}{name}", f"other_{prefix}{name}", OTHER_OBJECTS) for measure, name in _MAPS]
    held += [(HIDDEN_LIFT, hidden, f"null_{hidden}", NULL_TRACKS), (CORRELATION, seen, f"null_{seen}", NULL_TRACKS)]
    for measure, own_name, other_name, against in held:
        own, other = (asked.column(task_run, f"gold_based.{name}") for name in (own_name, other_name))
        yield from contrast((of, measure, against, ALL), own, other, asked.clusters, asked.groups[ALL])


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
    """How far lift lies above that of its null, float [n], among right and wrong answers; nothing without both."""
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
