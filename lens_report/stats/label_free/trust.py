"""The probability that a single answer is right: a logistic regression fitted on labelled sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from lens_report.stats.label_free.answer_set import CONFIDENCE, ENTROPY, AnswerSet, NotPredictedError, common_scores
from lens_report.stats.results import MIN_CLASS
from lens_report.stats.scored import Floats

INVERSE_PENALTY = 1.0
"""Of the ridge on the scaled columns, in scikit-learn's sense: the sum of losses against half the squared weights."""
_MOST_CERTAIN = 1e-6
"""Confidences are held this far from 0 and 1, so that their log-odds are finite."""


@dataclass(frozen=True)
class TrustModel:
    """Log-odds of an answer being right as a sum over scaled columns.

    Attributes:
        names: Of the scores; `CONFIDENCE` enters as its log-odds.
        centre: Mean of each column over the fitted answers, every set counting the same.
        scale: Standard deviation, 1 where there is none.
        weights: Of the scaled columns.
        intercept: Log-odds at the centre.
    """

    names: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def p_correct(self, answers: AnswerSet) -> Floats:
        """float [n]. Raises `NotPredictedError` where an answer lacks a score of the model."""
        missing = [name for name in self.names if name not in answers.complete]
        if missing:
            raise NotPredictedError(
                f"{answers.name} lacks {', '.join(missing)} of some answers, which the fitted sets have; "
                "fit on runs that were recorded as this one"
            )
        scaled = (_columns(answers, self.names) - np.array(self.centre)) / np.array(self.scale)
        return np.asarray(expit(scaled @ np.array(self.weights) + self.intercept), dtype=np.float64)


def fit_trust(sets: Sequence[AnswerSet], among: Sequence[str] = ()) -> TrustModel:
    """Fit on labelled sets, every set counting the same.

    Args:
        sets: Labelled.
        among: Readouts that may be used beside confidence and entropy; those that some answer lacks are not.

    Raises:
        NotPredictedError: Fewer than `MIN_CLASS` right or wrong answers.
    """
    names = common_scores(list(sets), among=(CONFIDENCE, ENTROPY, *among))
    right = np.concatenate([each.verdicts for each in sets])
    n_right = int(right.sum())
    if min(n_right, right.size - n_right) < MIN_CLASS:
        raise NotPredictedError(
            f"found {n_right} right and {right.size - n_right} wrong answers in the labelled sets, expected at least "
            f"{MIN_CLASS} of each; give more labelled runs"
        )
    columns = np.concatenate([_columns(each, names) for each in sets])
    share = np.concatenate([np.full(len(each), right.size / len(sets) / len(each)) for each in sets])
    centre = np.average(columns, axis=0, weights=share)
    spread = np.sqrt(np.average((columns - centre) ** 2, axis=0, weights=share))
    scale = np.where(spread > 1e-12, spread, 1.0)
    model = LogisticRegression(C=INVERSE_PENALTY, solver="newton-cholesky", max_iter=200, tol=1e-10)
    model.fit((columns - centre) / scale, right > 0, sample_weight=share)
    return TrustModel(names, _floats(centre), _floats(scale), _floats(model.coef_[0]), float(model.intercept_[0]))


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _columns(answers: AnswerSet, names: Sequence[str]) -> Floats:
    """float [n, names], the confidence as its log-odds."""
    found = []
    for name in names:
        values = answers.scores[name]
        if name == CONFIDENCE:
            held = np.clip(values, _MOST_CERTAIN, 1 - _MOST_CERTAIN)
            values = np.log(held) - np.log1p(-held)
        found.append(values)
    return np.column_stack(found)
