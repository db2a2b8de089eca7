"""Accuracy of answers without labels, from labelled sets of answers; formulas and assumptions in docs/predict.md.

- `AnswerSet`: answers, their scores, and whether they are right where that is known
- `METHODS`: how a number is made of labelled sets and an unlabelled one
- `outside`: whether the unlabelled set lies beyond what the labelled ones can speak about
- `predict`: the number with its intervals, or why there is none
- `held_out`, `compare_errors`: every labelled set in turn taken for an unlabelled one, and the methods' errors
- `TrustModel`: the probability that a single answer is right
"""

from __future__ import annotations

from lens_report.stats.label_free.answer_set import CONFIDENCE, ENTROPY, AnswerSet, NotPredictedError
from lens_report.stats.label_free.intervals import over_sets, sampling_draws
from lens_report.stats.label_free.methods import METHODS, Method
from lens_report.stats.label_free.prediction import AccuracyPrediction, predict
from lens_report.stats.label_free.protocol import (
    LEFT_OUT,
    HeldOut,
    MethodErrors,
    Placed,
    compare_errors,
    held_out,
)
from lens_report.stats.label_free.shift import Outside, outside
from lens_report.stats.label_free.trust import TrustModel, fit_trust

__all__ = [
    "CONFIDENCE",
    "ENTROPY",
    "LEFT_OUT",
    "METHODS",
    "AccuracyPrediction",
    "AnswerSet",
    "HeldOut",
    "Method",
    "MethodErrors",
    "NotPredictedError",
    "Outside",
    "Placed",
    "TrustModel",
    "compare_errors",
    "fit_trust",
    "held_out",
    "outside",
    "over_sets",
    "predict",
    "sampling_draws",
]
