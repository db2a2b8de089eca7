"""From which layer on the right answer was there, and how often it was lost again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.analysis.candidates import cand_scores, first_run, indices, leads
from lens_report.stats import EmergenceCurve, Estimate, score_interval
from lens_report.stats import emergence as emergence_curve
from lens_report.subject import Subject

Floats = NDArray[np.float64]
FIRST, STABLE = "first_correct_layer", "stable_correct_layer"


@dataclass(frozen=True, eq=False)
class Emergence:
    """Emergence of the right answer in one task.

    Attributes:
        first: First layer at which gold leads for a while.
        stable: First layer from which gold leads to the end.
        shuffled: `first` with the gold answers dealt out among the samples: what a lead says by chance. None without
            candidate scores.
        lost: Group of samples -> share of its wrong answers in which gold had led clearly before.
        corrected: Group of samples -> share of its right answers in which a wrong candidate had led clearly before.
    """

    first: EmergenceCurve
    stable: EmergenceCurve
    shuffled: EmergenceCurve | None
    lost: dict[str, Estimate]
    corrected: dict[str, Estimate]


def emergence(subject: Subject, *, seed: int = 0) -> Emergence | None:
    """Survival curves and shares of a task; None when no sample has a gold answer that was read."""
    frame = subject.frame
    known = subject.read_out & subject.column("gold_based.emerged") & subject.compared
    if not known.any():
        return None
    clusters = subject.clusters.at(known)

    def curve(event: Floats) -> EmergenceCurve:
        return emergence_curve(event[known], subject.layers, clusters)

    shuffled = _shuffled(subject, known, seed)
    return Emergence(
        curve(frame[f"gold_based.{FIRST}"].to_numpy(dtype=np.float64)),
        curve(frame[f"gold_based.{STABLE}"].to_numpy(dtype=np.float64)),
        None if shuffled is None else curve(shuffled),
        _shares(subject, "correct_then_lost", 0.0),
        _shares(subject, "wrong_then_corrected", 1.0),
    )


def _shuffled(subject: Subject, known: NDArray[np.bool_], seed: int) -> Floats | None:
    """First correct layer with gold permuted among the samples with the same number of candidates, float [n]."""
    scores = cand_scores(subject)
    if scores is None or not subject.among_candidates:
        return None
    gold = indices(subject, "gold_candidate")
    size = subject.frame["candidates"].map(len).to_numpy()
    rng = np.random.default_rng(seed)
    for count in np.unique(size[known]):
        rows = np.flatnonzero(known & (size == count))
        gold[rows] = rng.permutation(gold[rows])
    mass = subject.stack("cand_mass") > subject.threshold("theta", 0.1)
    mass |= (subject.recorded["candidate_score"].notna().to_numpy() & subject.sequence_rows)[:, None]  # no theta there
    lead = (leads(scores, gold) == 1) & mass
    return first_run(lead, round(subject.threshold("m", 2)), subject.layers)


def _shares(subject: Subject, event: str, verdict: float) -> dict[str, Estimate]:
    """Share of an event among the answers with that verdict: all, then by the answer given and by question type."""
    column = f"gold_based.{event}"
    frame = subject.frame
    if column not in frame:
        return {}
    values = frame[column].to_numpy(dtype=np.float64)
    asked = (frame["verdict"].to_numpy() == verdict) & np.isfinite(values)
    found = {}
    for name, members in groups(subject).items():
        rows = asked & members
        if rows.any():
            found[name] = score_interval(values[rows], subject.clusters.at(rows))
    return found


def groups(subject: Subject, most: int = 12) -> dict[str, NDArray[np.bool_]]:
    """All samples, then those of each answer given and of each question type (the most frequent ones)."""
    found = {"all": np.ones(len(subject.frame), dtype=bool)}
    for title, labels in (("answered", answered(subject)), ("type", subject.frame["question_type"])):
        counts = labels.value_counts()
        if 1 < len(counts) <= most:
            found |= {f"{title}: {level}": (labels == level).to_numpy(dtype=bool) for level in counts.index}
    return found


def answered(subject: Subject) -> pd.Series:
    """The label of the answer given, missing where it is none of the candidates or the task is open."""
    frame = subject.frame
    labels = [
        candidates[index] if closed and index >= 0 else None
        for candidates, index, closed in zip(
            frame["candidates"], indices(subject, "pred_candidate"), subject.closed_rows, strict=True
        )
    ]
    return pd.Series(labels, index=frame.index, dtype=object)
