"""Everything that a report says about the picture, with one correction over all of its tests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import pandas as pd

from lens_report.measures.picture.by_question import ByQuestion, by_question
from lens_report.measures.picture.contrasts import Asked, Contrast, contrasts, null_of
from lens_report.measures.picture.hallucination import Hallucination, hallucination
from lens_report.measures.picture.layers import LiftByLayer, lift_by_layer
from lens_report.measures.picture.other_question import OtherQuestion, other_question
from lens_report.measures.predictors import LABEL_FREE, PICTURE
from lens_report.measures.task_run import TaskRun
from lens_report.stats import holm

STATUS = "probe_status."
NOTHING = "nothing recorded"
READ = ("ok", "thinned", "partial")
"""Statuses of what was read, the last two not all of it."""
PROBES = ("attention", "attention sinks", "relative_attention", "image_tokens", "boxes")


@dataclass(frozen=True)
class Unmeasured:
    """What a probe or a mask did not give.

    Attributes:
        probe: Probe, `boxes` or `causal NAME`.
        status: One word, as in records; `NOTHING` for samples without an entry.
        n: Samples.
        reason: The most frequent reason among them; empty without one.
    """

    probe: str
    status: str
    n: int
    reason: str


@dataclass(frozen=True, eq=False)
class Picture:
    """The section of one task.

    Attributes:
        n: Samples, each distinct question about a picture once.
        null: What maps are held against: null boxes, or null tracks.
        contrasts: Maps against their nulls, masks against other masks.
        by_layer: Lift by layer; corrected by itself.
        by_question: Lift by question type; corrected by itself.
        other_question: Kind of map -> other questions' maps in this question's boxes.
        hallucination: The table of answers about absent objects; None for tasks that are not all of one yes-or-no form.
        unmeasured: What was not measured, and why, over all samples of the task.
        n_tests: Tests that `p_holm` corrects for: all with a p in `contrasts`, `other_question` and `hallucination`.
    """

    n: int
    null: str
    contrasts: tuple[Contrast, ...]
    by_layer: tuple[LiftByLayer, ...]
    by_question: ByQuestion
    other_question: dict[str, OtherQuestion]
    hallucination: Hallucination | None
    unmeasured: tuple[Unmeasured, ...]
    n_tests: int


def picture(task_run: TaskRun) -> Picture | None:
    """The section; None when no probe of the picture and no mask ran."""
    samples = task_run.frame
    ran = [name for name in samples if str(name).startswith(STATUS) and _of_the_picture(str(name))]
    ran = [name for name in ran if samples[name].notna().any()]
    if not ran and not any(task_run.column(LABEL_FREE + name).any() for name in PICTURE):
        return None
    asked, null = Asked.of(task_run), null_of(task_run)
    found = Picture(
        asked.rows.size,
        null,
        tuple(contrasts(task_run, asked, null)),
        lift_by_layer(task_run, asked, null),
        by_question(task_run, asked, null),
        other_question(task_run, asked),
        hallucination(task_run),
        tuple(one for name in ran for one in unmeasured(str(name), samples[name])),
        0,
    )
    return _corrected(found)


def _of_the_picture(column: str) -> bool:
    probe = column.removeprefix(STATUS)
    return probe in PROBES or probe.startswith("causal ")


def unmeasured(column: str, entries: pd.Series) -> list[Unmeasured]:
    """What a column of `probe_status` says of samples without a reading, status by status, most samples first."""
    reasons: dict[str, Counter[str]] = {}
    for entry in entries:
        status, _, reason = (entry if isinstance(entry, str) else NOTHING).partition(":")
        reasons.setdefault(status, Counter())[reason.strip()] += 1
    found = [
        Unmeasured(column.removeprefix(STATUS), status, sum(counts.values()), counts.most_common(1)[0][0])
        for status, counts in reasons.items()
        if status not in READ
    ]
    return sorted(found, key=lambda one: -one.n)


def _corrected(found: Picture) -> Picture:
    others = [one.contrast for one in found.other_question.values() if one.contrast is not None]
    detectors = found.hallucination.detectors if found.hallucination else ()
    tests = {one.name: one.p for one in (*found.contrasts, *others)} | {one.name: one.p for one in detectors}
    p_holm = holm(tests)
    return replace(
        found,
        contrasts=tuple(replace(one, p_holm=p_holm[one.name]) for one in found.contrasts),
        other_question={
            of: replace(one, contrast=one.contrast and replace(one.contrast, p_holm=p_holm[one.contrast.name]))
            for of, one in found.other_question.items()
        },
        hallucination=found.hallucination
        and replace(found.hallucination, detectors=tuple(replace(one, p_holm=p_holm[one.name]) for one in detectors)),
        n_tests=sum(p is not None for p in tests.values()),
    )
