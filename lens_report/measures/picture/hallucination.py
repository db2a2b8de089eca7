"""Which figures tell answers "yes" about absent objects from those about present ones, beside final confidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.columns import numbers
from lens_report.measures.error_rows import error_rows
from lens_report.measures.predictors import LABEL_FREE, PICTURE, repeated_without_sinks, sign
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Clusters, Estimate, associate, paired_difference

Floats = NDArray[np.float64]

MIN_ABSENT = 20
"""Fewest answers "yes" about absent objects, and about present ones, from which the table says anything."""
NLL = "answer's NLL"
BASELINES = (LABEL_FREE + "final_margin", LABEL_FREE + "final_prob", NLL)
"""What a figure has to beat: low margin and probability, high negative log-likelihood of the answer's first token."""


@dataclass(frozen=True)
class Detector:
    """One figure as a detector of answers about absent objects.

    Attributes:
        column: Of the records, or `NLL`.
        higher_means_absent: Direction, fixed beforehand (`HIGHER_MEANS_ERROR`).
        auroc: For "the object is absent" among the answers "yes"; below .5 it points the other way.
        over_best: AUROC minus that of the best baseline, paired; None for baselines.
        p: Of that difference, two-sided.
        p_holm: Corrected over all tests of `Picture`.
    """

    column: str
    higher_means_absent: bool
    auroc: Estimate
    over_best: Estimate | None = None
    p: float | None = None
    p_holm: float | None = None

    @property
    def name(self) -> str:
        """Of the test, for the correction."""
        return f"AUROC of {self.column} for absent objects against the best baseline"


@dataclass(frozen=True)
class Hallucination:
    """Answers with the positive candidate of a yes-or-no task: which of them are wrong?

    Attributes:
        positive: The candidate that says that the object is there.
        n: Answers with it, repeated questions once.
        n_absent: Those for which the other answer is right.
        n_clusters: Their clusters.
        best: The baseline with the highest AUROC, chosen on these very answers, which favours it.
        baselines: Those recorded.
        detectors: Figures of the picture, best first; empty where `why_none` says why.
        why_none: Why nothing can be said.
    """

    positive: str
    n: int
    n_absent: int
    n_clusters: int
    best: str = ""
    baselines: tuple[Detector, ...] = ()
    detectors: tuple[Detector, ...] = ()
    why_none: str = ""


def hallucination(task_run: TaskRun) -> Hallucination | None:
    """The table of a task whose samples all ask for one of the same two answers; None for other tasks."""
    positive = _positive(task_run)
    if positive is None:
        return None
    rows = error_rows(task_run)
    said = (rows.frame["answered"] == positive).to_numpy(dtype=bool)
    absent, clusters = rows.error[said], rows.clusters.at(said)
    n_absent = int(absent.sum())
    counts = (positive, absent.size, n_absent, clusters.n_present())
    if min(n_absent, absent.size - n_absent) < MIN_ABSENT:
        return Hallucination(*counts, why_none=f"at least {MIN_ABSENT} of each are needed")
    log_p = task_run.at_output("logprob_pred")[rows.rows]
    repeated = repeated_without_sinks(rows.frame)
    values = {NLL: -log_p[said]} | {
        name: numbers(rows.frame[name])[said]
        for name in (*BASELINES, *(LABEL_FREE + name for name in PICTURE))
        if name in rows.frame and name not in repeated
    }
    return _table(counts, values, absent, clusters)


def _table(
    counts: tuple[str, int, int, int], values: Mapping[str, Floats], absent: Floats, clusters: Clusters
) -> Hallucination:
    scores = {name: _sign(name) * column for name, column in values.items() if np.isfinite(column).any()}
    found = {
        name: Detector(name, _sign(name) > 0, associate(score, absent, clusters).auroc)
        for name, score in scores.items()
    }
    baselines = _sorted(found[name] for name in BASELINES if name in found)
    best = next((one.column for one in baselines if one.auroc.value is not None), "")
    detectors = []
    for name in (name for name in found if name not in BASELINES):
        gap, p = paired_difference(scores[name], scores[best], absent, clusters) if best else (None, None)
        one = found[name]
        detectors.append(Detector(name, one.higher_means_absent, one.auroc, gap, p))
    return Hallucination(*counts, best, baselines, _sorted(detectors))


def _sign(name: str) -> int:
    return 1 if name == NLL else sign(name)


def _sorted(found: Iterable[Detector]) -> tuple[Detector, ...]:
    """Best AUROC first, those without one last."""
    return tuple(sorted(found, key=lambda one: -1.0 if one.auroc.value is None else one.auroc.value, reverse=True))


def _positive(task_run: TaskRun) -> str | None:
    """The positive candidate where every sample with candidates has the same two and says which is positive."""
    frame = task_run.frame
    known = frame[frame["candidates"].map(bool)]
    pairs = {
        (candidates, pair if isinstance(pair, tuple) else None)
        for candidates, pair in zip(known["candidates"], known["binary"], strict=True)
    }
    if len(pairs) != 1 or not task_run.closed_rows[known.index.to_numpy()].all():
        return None
    candidates, pair = next(iter(pairs))
    return candidates[pair[0]] if pair is not None else None
