"""From a frame with one row a sample to the rows a question about errors may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Selection:
    """Rows that can be asked about errors, and what was left out.

    Attributes:
        frame: The rows kept, with a fresh index.
        n_total: Rows before the selection.
        dropped: Reason -> number of rows; a row is counted under the first reason that applies.
    """

    frame: pd.DataFrame
    n_total: int
    dropped: dict[str, int] = field(default_factory=dict)


FORMAT_ERROR, UNREAD, UNSCORED = "format error", "no valid readout", "not scored"
"""Reasons for which a sample takes no part in questions about errors, in the order in which they apply."""


def scored_rows(
    frame: pd.DataFrame, *, correct: str = "correct", status: str | None = "status", pred: str | None = "pred_candidate"
) -> Selection:
    """Rows with a readout, a verdict of the harness and an answer among the candidates.

    Format errors (an answer outside the candidates, or none) are a class of their own: a scorer calls them wrong
    whatever the model believed. They are counted in ``dropped`` and take no part in questions about answer errors.
    `lens_report.analysis` follows the same rule in every question about errors (docs/statistics.md).

    Args:
        frame: One row a sample. With a column ``candidates`` an answer outside of them is told from one that was not
            looked at, whatever became of the readout.
        correct: Column of True, False or missing.
        status: Column that is ``"ok"`` where the readout is valid and ``"no_answer"`` where the response holds no
            answer; None to keep all.
        pred: Column of the candidate that was answered, missing for a format error; None for a task without candidates,
            which has no format errors: there a response without an answer is one without a readout.

    Returns:
        The rows kept and the counts of the others.
    """
    nothing = np.zeros(len(frame), dtype=bool)
    state = None if status is None else frame[status].to_numpy(dtype=object)
    read = ~nothing if state is None else state == "ok"
    silent = nothing if state is None else state == "no_answer"
    outside = nothing if pred is None else _outside(frame, pred, read | silent)
    unscored = np.isnan(verdicts(frame[correct]))
    keep, dropped = kept_rows({FORMAT_ERROR: outside, UNREAD: ~read, UNSCORED: unscored})
    return Selection(frame[keep].reset_index(drop=True), len(frame), dropped)


def _outside(frame: pd.DataFrame, pred: str, looked_at: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool [n], answers that are none of the candidates, or none at all."""
    if "candidates" in frame:
        looked_at = looked_at | frame["candidates"].map(bool).to_numpy(dtype=bool)
    return np.asarray(looked_at & frame[pred].isna().to_numpy(dtype=bool))


def kept_rows(reasons: Mapping[str, NDArray[np.bool_]]) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Rows to which no reason applies, and how many each reason took.

    Args:
        reasons: Reason -> bool [n], where it applies; the first one that applies to a row counts.

    Returns:
        bool [n]; reason -> rows, those without any left out.
    """
    keep = np.ones(len(next(iter(reasons.values()))), dtype=bool)
    dropped = {}
    for reason, applies in reasons.items():
        dropped[reason] = int(np.count_nonzero(keep & applies))
        keep &= ~applies
    return keep, {reason: count for reason, count in dropped.items() if count}


def verdicts(column: pd.Series) -> NDArray[np.float64]:
    """1.0 for True, 0.0 for False, NaN for a missing value: float [n] of a column of booleans or 0/1 numbers."""
    known = column.astype("boolean").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(known, dtype=np.float64)


def numbers(column: pd.Series) -> NDArray[np.float64]:
    """float [n] of a numeric column; NaN for a missing or infinite value."""
    values = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def strata_labels(frame: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    """int [n]: one code for each combination of the columns' values that occurs; a missing value is a value."""
    if not columns:
        return np.zeros(len(frame), dtype=np.int64)
    codes = frame.groupby(list(columns), dropna=False, observed=True, sort=False).ngroup()
    return np.asarray(codes, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Deduplicated:
    """A frame without repeated questions.

    Attributes:
        frame: The first row of every distinct key, in the old order, with a fresh index.
        n_dropped: Rows left out as repetitions.
        n_conflicting: Distinct keys whose repetitions were not scored alike; worth a look, since the same question
            about the same image should get the same verdict.
    """

    frame: pd.DataFrame
    n_dropped: int
    n_conflicting: int


def without_repetitions(frame: pd.DataFrame, keys: Sequence[str], *, correct: str = "correct") -> Deduplicated:
    """Keep one row for each distinct question, for splits that are pooled and share questions.

    POPE's three splits repeat the same 1,500 "yes" questions: of 9,000 rows 5,127 (image, question) pairs are distinct.

    Args:
        frame: One row a sample.
        keys: Columns that make a question distinct, such as cluster and question. Rows with a missing key are kept.
        correct: Column of the verdict, to count contradictions.

    Returns:
        The distinct rows and the counts.
    """
    key_columns = list(keys)
    complete = frame[key_columns].notna().all(axis=1)
    repeated = frame.duplicated(subset=key_columns, keep="first") & complete
    known = frame[complete & frame[correct].notna()]
    verdict_counts = known.groupby(key_columns, observed=True)[correct].nunique()
    return Deduplicated(frame[~repeated].reset_index(drop=True), int(repeated.sum()), int((verdict_counts > 1).sum()))
