"""Who leads the candidates at which layer, from their scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.measures.task_run import TaskRun

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def indices(task_run: TaskRun, column: str) -> NDArray[np.int64]:
    """`gold_candidate` or `pred_candidate` as int [n], -1 where there is none."""
    return task_run.frame[column].fillna(-1).to_numpy(dtype=np.int64)


def answered(task_run: TaskRun) -> pd.Series:
    """The label of the answer given, missing where it is none of the candidates or the task is open."""
    frame = task_run.frame
    labels = [
        candidates[index] if closed and index >= 0 else None
        for candidates, index, closed in zip(
            frame["candidates"], indices(task_run, "pred_candidate"), task_run.closed_rows, strict=True
        )
    ]
    return pd.Series(labels, index=frame.index, dtype=object)


def cand_scores(task_run: TaskRun, control: str | None = None) -> Floats | None:
    """z, float [n, L, C]; None when the task has no candidates."""
    return task_run.wide("cand_scores", control)


def leads(scores: Floats, candidate: NDArray[np.int64]) -> Floats:
    """Whether a candidate leads: scores float [n, L, C], candidate int [n] -> 1, 0 or NaN, float [n, L].

    In a tie nobody leads. NaN where the candidate is -1 or was not scored.
    """
    own, other = own_and_best_other(scores, candidate)
    return np.where(np.isfinite(own), (own > other).astype(np.float64), np.nan)


def leaders(values: Floats) -> Ints:
    """Index of the highest candidate, float [..., C] -> int [...]; -1 in a tie, in which nobody leads."""
    best = values.max(axis=-1, keepdims=True)
    alone = (values == best).sum(axis=-1) == 1
    return np.where(alone, values.argmax(axis=-1), -1).astype(np.int64)


def own_and_best_other(scores: Floats, candidate: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The candidate's score and the best of the others: two float [n, L]; NaN and -inf where there is none."""
    known = candidate >= 0
    place = np.where(known, candidate, 0)[:, None, None]
    own = np.take_along_axis(scores, place, axis=2)[..., 0]
    others = np.where(np.isfinite(scores), scores, -np.inf)
    np.put_along_axis(others, place, -np.inf, axis=2)
    return np.where(known[:, None], own, np.nan), others.max(axis=2)


def answer_log_odds(scores: Floats, candidate: NDArray[np.int64]) -> Floats:
    """log q / (1 - q) of a candidate among the others, nats: float [n, L, C], int [n] -> float [n, L]."""
    known = candidate >= 0
    place = np.where(known, candidate, 0)[:, None, None]
    own = np.take_along_axis(scores, place, axis=2)[..., 0]
    others = np.where(np.isfinite(scores), scores, -np.inf)
    np.put_along_axis(others, place, -np.inf, axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.logaddexp.reduce(others, axis=2)
        odds = own - rest
    return np.where(known[:, None] & np.isfinite(odds), odds, np.nan)


def gold_leads(task_run: TaskRun) -> Floats:
    """Whether the gold answer leads, float [n, L]: among the candidates, on open tasks in the whole vocabulary.

    NaN for samples of the other kind in a task with both, see `TaskRun.compared`.
    """
    scores = cand_scores(task_run)
    rank = task_run.stack("rank_gold")
    first = np.where(np.isfinite(rank), (rank == 1).astype(np.float64), np.nan)
    if scores is None:
        return first
    found = leads(scores, indices(task_run, "gold_candidate")) if task_run.among_candidates else first
    return np.where(task_run.compared[:, None], found, np.nan)


def first_run(lead: Bools, m: int, layers: NDArray[np.int64]) -> Floats:
    """First layer of a lead of `m` recorded layers, or one up to the last: bool [n, L] -> float [n], NaN without."""
    length = np.zeros(lead.shape[0], dtype=np.int64)
    to_end = np.ones(lead.shape[0], dtype=bool)
    found = np.full(lead.shape[0], np.nan)
    for place in range(lead.shape[1] - 1, -1, -1):
        length = np.where(lead[:, place], length + 1, 0)
        to_end &= lead[:, place]
        found = np.where(lead[:, place] & ((length >= m) | to_end), layers[place], found)
    return found
