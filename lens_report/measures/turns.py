"""By turn of a dialogue: how many answers are right, how deep they are decided, and what follows a wrong one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.measures.columns import numbers
from lens_report.measures.task_run import TaskRun
from lens_report.stats import (
    AfterWrong,
    Clusters,
    Estimate,
    after_wrong,
    difference_of_means,
    previous_of,
    score_interval,
)

__all__ = ["TurnGroup", "Turns", "turns"]

Floats = NDArray[np.float64]
DEPTH = "label_free.commit_depth"
PROBABILITY = "label_free.final_prob"


@dataclass(frozen=True)
class TurnGroup:
    """Questions of all dialogues at neighbouring turns.

    Attributes:
        first: Number of the first turn, as the documents count.
        last: Number of the last one.
        n: Questions.
        read: Share of them whose answer was read.
        right: Share of right answers; without a value where nobody knows what is right.
        depth: Mean commit depth, a share of the layers.
        probability: Mean final probability of the answer among the candidates.
    """

    first: int
    last: int
    n: int
    read: Estimate
    right: Estimate
    depth: Estimate
    probability: Estimate


@dataclass(frozen=True)
class Turns:
    """A task whose questions belong to dialogues.

    Attributes:
        n_dialogues: Dialogues.
        n: Questions.
        groups: By turn, each group twice as long as the one before it.
        next_to_last: Questions whose earlier neighbour was asked too.
        shown: Share of those whose prompt holds an earlier answer; None where that is not recorded.
        after: Right answers after a wrong one and after a right one; None where nobody knows what is right.
        depth_after: Commit depth after a wrong one minus after a right one, within dialogues; None as `after`.
    """

    n_dialogues: int
    n: int
    groups: tuple[TurnGroup, ...]
    next_to_last: int
    shown: float | None
    after: AfterWrong | None
    depth_after: Estimate | None


def turns(task_run: TaskRun, *, seed: int = 0) -> Turns | None:
    """What there is to say by turn; None where the questions belong to no dialogue, or none has two turns.

    Each question counts once: its first request and repeat. What is right is the verdict on the answer.

    Args:
        task_run: The samples.
        seed: Of the orders that are drawn.
    """
    frame = task_run.frame
    rows = frame["dialogue"].notna() & frame["turn"].notna() & (frame["request_idx"] == 0) & (frame["repeat"] == 0)
    frame = frame[rows.to_numpy(dtype=bool)].reset_index(drop=True)
    if not len(frame):
        return None
    number = frame["turn"].to_numpy(dtype=np.int64)
    dialogues = Clusters.of(frame["dialogue"])
    before = previous_of(dialogues.codes, number)
    if not (before >= 0).any():
        return None
    right = numbers(frame["verdict"])
    judged = bool(np.isfinite(right).any())
    known = before >= 0
    earlier = np.where(known, right[before], np.nan)
    return Turns(
        dialogues.count,
        len(frame),
        tuple(_groups(frame, number, dialogues, right)),
        int(known.sum()),
        _shown(frame, known),
        after_wrong(right, dialogues.codes, number, seed=seed) if judged else None,
        _depth_after(frame, earlier, dialogues) if judged else None,
    )


def _groups(frame: pd.DataFrame, number: NDArray[np.int64], dialogues: Clusters, right: Floats) -> list[TurnGroup]:
    """Turns 1, 2 to 3, 4 to 7, ... from the first one on, in the documents' own numbers."""
    place = number - number.min()
    level = np.floor(np.log2(place + 1)).astype(np.int64)
    found = []
    for one in np.unique(level):
        rows = level == one
        own = dialogues.at(rows)
        read = (frame["status"] == "ok").to_numpy(dtype=np.float64)
        values = (read, right, _column(frame, DEPTH), _column(frame, PROBABILITY))
        estimates = [score_interval(each[rows], own) for each in values]
        found.append(TurnGroup(int(number[rows].min()), int(number[rows].max()), int(rows.sum()), *estimates))
    return found


def _column(frame: pd.DataFrame, name: str) -> Floats:
    return numbers(frame[name]) if name in frame else np.full(len(frame), np.nan)


def _shown(frame: pd.DataFrame, known: NDArray[np.bool_]) -> float | None:
    """Of questions with an earlier neighbour, the share that was shown an answer; None where some do not say."""
    told = frame["answers_shown"][known]
    return None if told.isna().any() else float((told > 0).mean())


def _depth_after(frame: pd.DataFrame, earlier: Floats, dialogues: Clusters) -> Estimate:
    judged = np.isfinite(earlier)
    depth = np.where(judged, _column(frame, DEPTH), np.nan)
    return difference_of_means(depth, earlier == 0, dialogues, strata=dialogues.codes)
