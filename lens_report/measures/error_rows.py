"""Which samples take part in questions about errors (docs/statistics.md, "Which samples count")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.measures.candidates import answered
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Clusters

FORMAT_ERROR, UNREAD, UNSCORED = "format error", "no valid readout", "not scored"
"""Reasons for which a sample takes no part, in the order in which they apply."""


@dataclass(frozen=True, eq=False)
class ErrorRows:
    """The samples of a task that can be asked about errors.

    Attributes:
        frame: The rows of `TaskRun.frame` with a fresh index and the columns `answered` (label of the answer given),
            `row` (row in `TaskRun.frame`) and `right`.
        rows: int [n], rows in `TaskRun.frame`.
        clusters: Of the n rows.
        error: float [n], 1 for a wrong answer.
        dropped: Why samples take no part -> how many, each under the first reason that applies.
        n_repeated: Repeated questions left out.
    """

    frame: pd.DataFrame
    rows: NDArray[np.int64]
    clusters: Clusters
    error: NDArray[np.float64]
    dropped: dict[str, int]
    n_repeated: int


def error_rows(task_run: TaskRun) -> ErrorRows:
    """Samples that were read, scored and answered with a candidate, repeated questions about an image once.

    Format errors (an answer outside the candidates, or none) are a class of their own: a scorer calls them wrong
    whatever the model believed.
    """
    frame = task_run.frame.assign(answered=answered(task_run), row=np.arange(len(task_run.frame)))
    verdict = frame["verdict"].to_numpy(dtype=np.float64)
    keep, dropped = kept_rows(
        {FORMAT_ERROR: task_run.format_error, UNREAD: ~task_run.read_out, UNSCORED: np.isnan(verdict)}
    )
    kept = frame.assign(right=verdict == 1)[keep]
    distinct = without_repetitions(kept, ["group", "question"])
    return ErrorRows(
        distinct,
        distinct["row"].to_numpy(dtype=np.int64),
        Clusters.of(distinct["group"]),
        1.0 - distinct["right"].to_numpy(dtype=np.float64),
        dropped,
        len(kept) - len(distinct),
    )


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


def without_repetitions(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The first row of each distinct question, with a fresh index; rows with a missing key are all kept.

    POPE's three splits repeat the same 1,500 "yes" questions: of 9,000 rows 5,127 (image, question) pairs are distinct.

    Args:
        frame: One row a sample.
        keys: Columns that make a question distinct, such as cluster and question.
    """
    repeated = frame.duplicated(subset=list(keys), keep="first") & frame[list(keys)].notna().all(axis=1)
    return frame[~repeated].reset_index(drop=True)
