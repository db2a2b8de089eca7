"""Who leads among the candidates: small functions of pooled scores [layers, C] of C candidates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lens_models.metrics.arrays import Bools, Floats

__all__ = ["NOBODY", "leaders", "log_odds", "margins", "readable", "runs", "shares", "start_of_last_run"]

NOBODY = -1


def readable(scores: Floats) -> bool:
    """Whether every layer holds a usable score: no NaN, no +inf, and not -inf for all candidates."""
    if scores.shape[1] == 0:
        return False
    return bool(np.all(scores < np.inf) and np.all(np.isfinite(scores).any(axis=1)))


def shares(scores: Floats) -> NDArray[np.float64]:
    """q_l(c), the softmax of the scores over the candidates, float [layers, C] -> [layers, C]; each row sums to 1."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True), dtype=np.float64)
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def margins(scores: Floats) -> NDArray[np.float64]:
    """z_l(c) minus the highest score among the others, in nats, float [layers, C] -> [layers, C]; needs C >= 2."""
    ordered = np.sort(np.asarray(scores, dtype=np.float64), axis=1)
    best, second = ordered[:, -1:], ordered[:, -2:-1]
    # A candidate on top is compared with the second (equal to it in a tie), all the others with the top.
    return np.asarray(scores - np.where(scores == best, second, best))


def leaders(scores: Floats) -> NDArray[np.int64]:
    """The candidate with the highest score, ``NOBODY`` in a tie: float [layers, C] -> int [layers]; needs C >= 2."""
    first = np.argmax(scores, axis=1)
    tied = (scores == scores.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return np.where(tied, NOBODY, first).astype(np.int64)


def log_odds(scores: Floats, index: int) -> NDArray[np.float64]:
    """log q_l(c) / (1 - q_l(c)) of candidate ``index``, in nats: float [layers, C] -> float [layers]; needs C >= 2.

    For two candidates this is the difference of their scores.
    """
    others = np.delete(np.asarray(scores, dtype=np.float64), index, axis=1)
    return np.asarray(scores[:, index] - np.logaddexp.reduce(others, axis=1))


def runs(holds: Bools) -> list[tuple[int, int]]:
    """Stretches of True as (first position, one past the last), in order: bool [layers]."""
    found, start = [], None
    # layers are few: a loop over them takes a tenth of the time of array functions
    for position, held in enumerate([*holds.tolist(), False]):
        if held and start is None:
            start = position
        elif not held and start is not None:
            found.append((start, position))
            start = None
    return found


def start_of_last_run(holds: Bools) -> int | None:
    """Position from which ``holds`` is True up to the end; None when it is False at the end: bool [layers]."""
    stretches = runs(holds)
    return stretches[-1][0] if stretches and stretches[-1][1] == holds.size else None
