"""From which layer on the right answer was there, and how often it was lost again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.candidates import answered, cand_scores, first_run, indices, leads
from lens_report.measures.task_run import TaskRun
from lens_report.stats import EmergenceCurve, Estimate, score_interval
from lens_report.stats import emergence as emergence_curve

Floats = NDArray[np.float64]
FIRST, STABLE = "first_correct_layer", "stable_correct_layer"


@dataclass(frozen=True, eq=False)
class Emergence:
    """Emergence of the right answer in one task.

    Attributes:
        first: First layer at which gold leads for a while.
        stable: First layer from which gold leads to the end.
        shuffled: `first` with the gold answers shuffled among the samples: what a lead says by chance. None without
            candidate scores.
        lost: Group of samples -> share of its wrong answers in which gold had led clearly before.
        corrected: Group of samples -> share of its right answers in which a wrong candidate had led clearly before.
    """

    first: EmergenceCurve
    stable: EmergenceCurve
    shuffled: EmergenceCurve | None
    lost: dict[str, Estimate]
    corrected: dict[str, Estimate]


def emergence(task_run: TaskRun, *, seed: int = 0) -> Emergence | None:
    """Emergence curves and shares of a task; None when no sample has a gold answer that was read."""
    frame = task_run.frame
    known = task_run.read_out & task_run.column("gold_based.emerged") & task_run.compared
    if not known.any():
        return None
    clusters = task_run.clusters.at(known)

    def curve(event: Floats) -> EmergenceCurve:
        return emergence_curve(event[known], task_run.layers, clusters)

    shuffled = _shuffled(task_run, known, seed)
    return Emergence(
        curve(frame[f"gold_based.{FIRST}"].to_numpy(dtype=np.float64)),
        curve(frame[f"gold_based.{STABLE}"].to_numpy(dtype=np.float64)),
        None if shuffled is None else curve(shuffled),
        _shares(task_run, "correct_then_lost", 0.0),
        _shares(task_run, "wrong_then_corrected", 1.0),
    )


def _shuffled(task_run: TaskRun, known: NDArray[np.bool_], seed: int) -> Floats | None:
    """First correct layer with gold permuted among the samples with the same number of candidates, float [n]."""
    scores = cand_scores(task_run)
    if scores is None or not task_run.among_candidates:
        return None
    gold = indices(task_run, "gold_candidate")
    size = task_run.frame["candidates"].map(len).to_numpy()
    rng = np.random.default_rng(seed)
    for count in np.unique(size[known]):
        rows = np.flatnonzero(known & (size == count))
        gold[rows] = rng.permutation(gold[rows])
    mass = task_run.stack("cand_mass") > task_run.threshold("theta", 0.1)
    mass |= (task_run.recorded["candidate_score"].notna().to_numpy() & task_run.sequence_rows)[
        :, None
    ]  # no theta there
    lead = (leads(scores, gold) == 1) & mass
    return first_run(lead, round(task_run.threshold("m", 2)), task_run.layers)


def _shares(task_run: TaskRun, event: str, verdict: float) -> dict[str, Estimate]:
    """Share of an event among the answers with that verdict: all, then by the answer given and by question type."""
    column = f"gold_based.{event}"
    frame = task_run.frame
    if column not in frame:
        return {}
    values = frame[column].to_numpy(dtype=np.float64)
    asked = (frame["verdict"].to_numpy() == verdict) & np.isfinite(values)
    found = {}
    for name, members in groups(task_run).items():
        rows = asked & members
        if rows.any():
            found[name] = score_interval(values[rows], task_run.clusters.at(rows))
    return found


def groups(task_run: TaskRun, most: int = 12) -> dict[str, NDArray[np.bool_]]:
    """All samples, then those of each answer given and of each question type (the most frequent ones)."""
    found = {"all": np.ones(len(task_run.frame), dtype=bool)}
    for title, labels in (("answered", answered(task_run)), ("type", task_run.frame["question_type"])):
        counts = labels.value_counts()
        if 1 < len(counts) <= most:
            found |= {f"{title}: {level}": (labels == level).to_numpy(dtype=bool) for level in counts.index}
    return found
