"""Calibration of the answers given: by their probability among the candidates and in the whole vocabulary."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.candidates import answer_log_odds, cand_scores, indices
from lens_report.measures.columns import numbers
from lens_report.measures.error_rows import error_rows
from lens_report.measures.task_run import Floats, TaskRun
from lens_report.stats import Clusters, Estimate
from lens_report.stats.calibration import Calibration, calibration, fitted_temperature
from lens_report.stats.cross_fitting import N_FOLDS, grouped_folds

CANDIDATES, SCALED, VOCABULARY = "among the candidates", "the same, with temperature", "in the whole vocabulary"
_STEP = 0.001
"""Within which the shares of a served model are known (docs/mera.md)."""
_NEAREST_TO_ONE = -(2.0**-25)
"""Largest log-probability that a record can hold below 0: half a step of float32 below 1."""


@dataclass(frozen=True, eq=False)
class Calibrations:
    """Of a task.

    Attributes:
        by: `CANDIDATES`, `SCALED`, `VOCABULARY` -> calibration; without those that the records do not allow.
        temperatures: float [folds], fitted on all other folds; clusters are not divided.
        why_none: Why there is nothing; empty otherwise.
    """

    by: dict[str, Calibration]
    temperatures: NDArray[np.float64]
    why_none: str = ""

    @property
    def main(self) -> Calibration | None:
        """That among the candidates, else that in the vocabulary."""
        return self.by.get(CANDIDATES) or self.by.get(VOCABULARY)


def calibrations(task_run: TaskRun, *, seed: int = 0) -> Calibrations:
    """Of the answers that can be asked about errors."""
    asked = error_rows(task_run)
    right = 1.0 - asked.error
    found: dict[str, Calibration] = {}
    temperatures = np.zeros(0)
    scores = cand_scores(task_run)
    given = indices(task_run, "pred_candidate")[asked.rows]
    if scores is not None and (given >= 0).any():
        last = scores[asked.rows, -1:]
        found[CANDIDATES] = calibration(answer_log_odds(last, given)[:, 0], right, asked.clusters)
        gold = indices(task_run, "gold_candidate")[asked.rows]
        scaled, temperatures = _scaled(last, given, gold, asked.clusters, asked.error > 0, seed)
        if temperatures.size:
            found[SCALED] = calibration(scaled, right, asked.clusters)
    if not task_run.has_layers and "label_free.final_prob" in asked.frame:
        found |= _by_share(numbers(asked.frame["label_free.final_prob"]), right, asked.clusters)
    whole = np.minimum(task_run.at_output("logprob_pred")[asked.rows], _NEAREST_TO_ONE)
    if np.isfinite(whole).any():
        odds = whole - np.log(-np.expm1(whole))
        found[VOCABULARY] = calibration(odds, right, asked.clusters)
    why = "" if found else "no answer has a verdict and a probability"
    return Calibrations(found, temperatures, why)


def _by_share(share: Floats, right: Floats, clusters: Clusters) -> dict[str, Calibration]:
    """Calibration by shares that are known to within `_STEP`, which leaves the log-likelihood of sure answers open."""
    if not np.isfinite(share).any():
        return {}
    near = np.clip(share, _STEP / 2, 1 - _STEP / 2)
    one = calibration(np.log(near) - np.log1p(-near), right, clusters)
    note = f"shares are known to within {_STEP}, which does not determine the log-likelihood of sure answers"
    return {CANDIDATES: replace(one, nll=Estimate(None, None, None, one.nll.n, one.nll.n_clusters, note=note))}


def _scaled(
    last: Floats,
    given: NDArray[np.int64],
    gold: NDArray[np.int64],
    clusters: Clusters,
    error: NDArray[np.bool_],
    seed: int,
) -> tuple[Floats, Floats]:
    """Log-odds of the answers given with temperatures fitted on the other folds, float [n], and these; none of either
    where a fold has too few right answers that are known among the candidates."""
    scores = last[:, 0]
    own = np.take_along_axis(scores, np.maximum(gold, 0)[:, None], axis=1)[:, 0]
    usable = (gold >= 0) & np.isfinite(own) & (np.isfinite(scores).sum(axis=1) > 1)
    fold = grouped_folds(clusters, error, seed=seed)
    odds, temperatures = np.full(given.size, np.nan), []
    for number in np.unique(fold):
        train, test = usable & (fold != number), fold == number
        if train.sum() < N_FOLDS:
            return odds, np.zeros(0)
        temperature = fitted_temperature(scores[train], gold[train])
        odds[test] = answer_log_odds(last[test] / temperature, given[test])[:, 0]
        temperatures.append(temperature)
    return odds, np.array(temperatures)
