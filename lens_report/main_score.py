"""Which of a harness's per-sample metrics stands for a task's score.

The rule, in order:

1. The first of the harness's metrics whose name contains the word `accuracy` or `acc`, then `exact_match` or `em`, then
   `score` or `match`; within a word in the harness's own order, and one marked `lenient` or `norm` only when no other
   is there. Its values must lie between 0 and 1.
2. Without one, the record's own verdict `correct`: whether the answer given is the gold candidate.

Other accuracy-like metrics are listed beside it, and so is the verdict, because scorers and verdict may disagree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.stats import numbers

VERDICT = "correct"
PREFIX = "score."
_WORDS = (("accuracy", "acc"), ("exact", "em"), ("score", "match"))
_SECONDARY = {"lenient", "norm", "relaxed"}
_NEVER = {"f1", "precision", "recall", "ratio", "error", "lens", "time", "tokens"}


@dataclass(frozen=True, eq=False)
class MainScore:
    """The score of a task's samples.

    Attributes:
        column: `score.<metric>`, or `correct` for the record's own verdict.
        values: float [n], 0 to 1, NaN where a sample has none.
    """

    column: str
    values: NDArray[np.float64]

    @property
    def name(self) -> str:
        """The metric's name as the harness calls it, or `lens verdict`."""
        return self.column.removeprefix(PREFIX) if self.column != VERDICT else "lens verdict"


def score_columns(frame: pd.DataFrame) -> list[str]:
    """Accuracy-like columns of the harness, the main one first."""
    ranked = []
    for place, column in enumerate(frame.columns):
        rank = _rank(str(column))
        if rank is not None and _is_share(numbers(frame[column])):
            ranked.append((rank, place, str(column)))
    return [column for _, _, column in sorted(ranked)]


def main_score(frame: pd.DataFrame) -> MainScore:
    """The main score of the rows of one task, by the rule above."""
    columns = score_columns(frame)
    column = columns[0] if columns else VERDICT
    return MainScore(column, values_of(frame, column))


def values_of(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """A score column or the verdict as float [n]: 1 right, 0 wrong, NaN unknown."""
    if column == VERDICT:
        known = frame[VERDICT].astype("boolean").to_numpy(dtype=np.float64, na_value=np.nan)
        return np.asarray(known, dtype=np.float64)
    return numbers(frame[column])


def _rank(column: str) -> int | None:
    if not column.startswith(PREFIX):
        return None
    words = set(re.split(r"[^a-z0-9]+", column.removeprefix(PREFIX).lower()))
    if words & _NEVER:
        return None
    for rank, group in enumerate(_WORDS):
        if words & set(group):
            return rank + len(_WORDS) * bool(words & _SECONDARY)
    return None


def _is_share(values: NDArray[np.float64]) -> bool:
    known = values[np.isfinite(values)]
    return bool(known.size) and bool(((known >= 0) & (known <= 1)).all())
