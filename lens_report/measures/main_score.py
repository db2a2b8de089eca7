"""Which of a harness's per-sample metrics stands for a task's score.

The rule for a run that lists its tasks' metrics, in the task's own order, with their directions:

1. Those that are stored for single samples with values between 0 and 1, and of which lower is not better. A task with
   several filters stores `metric,filter`, and its filters follow in their own order.
2. The first of them that covers every sample that any of them covers. Where none does (MME's perception and cognition
   share the samples out), the first, and beside it each further one that shares no sample with those before: they are
   shown one by one, for a mean over all of them is a number that the task does not define.

For older records, which do not list them: the first metric whose name contains the word `accuracy` or `acc`, then
`exact_match` or `em`, then `score` or `match`; within a word in the harness's own order, and one marked `lenient`,
`norm` or `relaxed` only when no other is there; without any, the first that covers as many samples as any other does.

Without a metric, the record's own verdict `correct`: whether the answer given is the gold candidate. Other metrics are
listed beside the main one, and so is the verdict, because scorers and verdict may disagree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.measures.columns import numbers

VERDICT = "correct"
PREFIX = "score."
_WORDS = (("accuracy", "acc"), ("exact", "em"), ("score", "match"))
_SECONDARY = {"lenient", "norm", "relaxed"}
_NEVER = {"f1", "precision", "recall", "ratio", "error", "lens", "time", "tokens"}
_NO_SCORE = _NEVER | {"no", "format", "length", "submission"}


Listed = Mapping[str, bool | None]
"""The metrics of a task's table in the task's order: name -> whether higher is better, None where it is not said."""


@dataclass(frozen=True, eq=False)
class MainScore:
    """The score of a task's samples.

    Attributes:
        column: `score.<metric>`, or `correct` for the record's own verdict.
        values: float [n], 0 to 1, NaN where a sample has none.
        beside: Columns of the metrics that share the samples out with `column`; empty where it covers them all.
        judged: float [n], what the task says of each sample: `values`, and where there is none that of `beside`.
    """

    column: str
    values: NDArray[np.float64]
    beside: tuple[str, ...]
    judged: NDArray[np.float64]

    @property
    def name(self) -> str:
        """The metric's name as the harness calls it, or `lens verdict`."""
        return score_name(self.column)


def score_name(column: str) -> str:
    """The harness's name of a score column."""
    return column.removeprefix(PREFIX) if column != VERDICT else "lens verdict"


def score_columns(frame: pd.DataFrame, listed: Listed | None = None) -> list[str]:
    """Columns of the harness that may be the main score, it first.

    Args:
        frame: One row a sample of one task.
        listed: The task's metrics; None or empty for records that do not list them.
    """
    main, ranked = _ranked(frame, listed)
    return [*main, *(column for column in ranked if column not in main)]


def main_score(frame: pd.DataFrame, listed: Listed | None = None) -> MainScore:
    """The main score of the rows of one task, by the rule above."""
    main = _ranked(frame, listed)[0] or [VERDICT]
    values = [values_of(frame, column) for column in main]
    judged = values[0]
    for more in values[1:]:
        judged = np.where(np.isfinite(judged), judged, more)
    return MainScore(main[0], values[0], tuple(main[1:]), judged)


def _ranked(frame: pd.DataFrame, listed: Listed | None) -> tuple[list[str], list[str]]:
    """The main columns, and all that may be it in their order."""
    shares = [str(column) for column in frame.columns if str(column).startswith(PREFIX)]
    shares = [column for column in shares if _is_share(numbers(frame[column]))]
    if listed:
        found = _listed(shares, listed)
        return _main(found, frame), found
    ranks = {column: rank for column in shares if (rank := _rank(column)) is not None}
    if ranks:
        found = sorted(ranks, key=lambda column: ranks[column])
        return found[:1], found
    found = [column for column in shares if not _words(column) & _NO_SCORE]
    return _main(found, frame), found


def _listed(shares: list[str], listed: Listed) -> list[str]:
    """The score columns of the listed metrics of which lower is not better, in the task's order."""
    found = []
    for metric, higher in listed.items():
        if higher is not False:
            named = (column for column in shares if column.removeprefix(PREFIX) == metric)
            filtered = (column for column in shares if column.removeprefix(PREFIX).startswith(f"{metric},"))
            found += [*named, *filtered]
    return list(dict.fromkeys(found))


def _main(ranked: list[str], frame: pd.DataFrame) -> list[str]:
    """The first column that covers what all of them cover; else the first and those that share no sample with it."""
    known = {column: np.isfinite(numbers(frame[column])) for column in ranked}
    if not known:
        return []
    whole = np.any(list(known.values()), axis=0)
    covering = next((column for column in ranked if (known[column] == whole).all()), None)
    if covering is not None:
        return [covering]
    chosen, taken = [], np.zeros(len(frame), dtype=bool)
    for column in ranked:
        if not (taken & known[column]).any():
            chosen.append(column)
            taken |= known[column]
    return chosen


def values_of(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """A score column or the verdict as float [n]: 1 right, 0 wrong, NaN unknown."""
    return numbers(frame[column])


def _rank(column: str) -> int | None:
    words = _words(column)
    if words & _NEVER:
        return None
    for rank, group in enumerate(_WORDS):
        if words & set(group):
            return rank + len(_WORDS) * bool(words & _SECONDARY)
    return None


def _words(column: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", column.removeprefix(PREFIX).lower()))


def _is_share(values: NDArray[np.float64]) -> bool:
    known = values[np.isfinite(values)]
    return bool(known.size) and bool(((known >= 0) & (known <= 1)).all())
