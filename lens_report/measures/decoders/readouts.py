"""The rows of a task that decoders can answer, and what of the others is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.candidates import cand_scores, indices
from lens_report.measures.error_rows import FORMAT_ERROR, UNREAD, kept_rows
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Clusters

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Readouts:
    """Candidates' shares at every layer, in the samples that have them at all layers.

    Attributes:
        log_q: float [n, L, C], log share of each candidate at each layer; -inf beyond a sample's own candidates.
        layers: int [L], rising.
        n_layers: N, decoder blocks of the model.
        gold: int [n], index of the right answer.
        given: int [n], index of the answer that the model gave.
        types: str or None [n], question types.
        clusters: Of the n rows.
        blank: float [n, C], log shares at the last layer with a blank image; None where no row has them.
        has_blank: bool [n], rows with such a readout.
        dropped: Why other samples take no part -> how many.
    """

    log_q: Floats
    layers: Ints
    n_layers: int
    gold: Ints
    given: Ints
    types: NDArray[np.object_]
    clusters: Clusters
    blank: Floats | None
    has_blank: Bools
    dropped: dict[str, int]

    @property
    def upper(self) -> Bools:
        """bool [L], layers above N / 2."""
        return np.asarray(2 * self.layers > self.n_layers)

    @property
    def lower(self) -> Bools:
        """bool [L], blocks of the lower half: 1 <= l <= N / 2."""
        return np.asarray((self.layers >= 1) & (2 * self.layers <= self.n_layers))

    def place(self, layer: float) -> int:
        """Place of a layer on the axis."""
        return int(np.flatnonzero(self.layers == int(layer))[0])

    def at(self, rows: Bools) -> Readouts:
        """The same for some of the rows, bool [n]."""
        return replace(
            self,
            log_q=self.log_q[rows],
            gold=self.gold[rows],
            given=self.given[rows],
            types=self.types[rows],
            clusters=self.clusters.at(rows),
            blank=None if self.blank is None else self.blank[rows],
            has_blank=self.has_blank[rows],
        )


def readouts(task_run: TaskRun) -> Readouts | str:
    """The rows of a task that decoders can answer; in words why there are none, on other tasks.

    Format errors stay out: there the position that is read is none at which the model chose among the candidates.
    """
    scores = cand_scores(task_run)
    if scores is None or not task_run.closed:
        return "the task has no candidates that are known beforehand"
    if task_run.layers[-1] != task_run.n_layers:
        return "the last layer was not recorded, so there is no final layer to compare with"
    gold, given = indices(task_run, "gold_candidate"), indices(task_run, "pred_candidate")
    size = task_run.frame["candidates"].map(len).to_numpy()
    own = np.arange(scores.shape[2]) < size[:, None]
    complete = (np.isfinite(scores) | ~own[:, None]).all(axis=(1, 2)) & (size > 1)
    keep, dropped = kept_rows(
        {
            FORMAT_ERROR: task_run.format_error,
            UNREAD: ~task_run.read_out,
            "no gold answer among the candidates": gold < 0,
            "no candidate scores at every layer": ~complete | ~task_run.closed_rows,
        }
    )
    if not keep.any():
        return "no sample has candidate scores at every layer, a gold answer and an answer among the candidates"
    blank, has_blank = _blank(task_run, own)
    return Readouts(
        log_q=log_shares(np.where(own[:, None], scores, np.nan)[keep]),
        layers=task_run.layers,
        n_layers=task_run.n_layers,
        gold=gold[keep],
        given=given[keep],
        types=task_run.frame["question_type"].to_numpy(dtype=object)[keep],
        clusters=task_run.clusters.at(keep),
        blank=None if blank is None or not has_blank[keep].any() else log_shares(blank[keep]),
        has_blank=has_blank[keep],
        dropped=dropped,
    )


def log_shares(scores: Floats) -> Floats:
    """log q: z of the candidates, float [..., C] with NaN for none, to the log of their softmax, -inf for none."""
    known = np.where(np.isfinite(scores), scores, -np.inf)
    with np.errstate(invalid="ignore"):
        shares = known - np.logaddexp.reduce(known, axis=-1, keepdims=True)
    return np.where(np.isfinite(known), shares, -np.inf)


def _blank(task_run: TaskRun, own: Bools) -> tuple[Floats | None, Bools]:
    """z at the last layer with a blank image, float [n, C], and which rows have it for all candidates."""
    scores = cand_scores(task_run, "blank")
    if scores is None:
        return None, np.zeros(own.shape[0], dtype=bool)
    last = np.full(own.shape, np.nan)
    width = min(scores.shape[2], own.shape[1])
    last[:, :width] = scores[:, -1, :width]
    return np.where(own, last, np.nan), (np.isfinite(last) | ~own).all(axis=1)
