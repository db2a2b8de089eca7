"""Accuracy from final confidence alone: average confidence, difference of confidences, average thresholded confidence.

Formulas: Guillory et al. 2021 (arXiv:2107.03315) for the difference of confidences; Garg et al. 2022 (arXiv:2201.04234)
for the thresholded one.
"""

from __future__ import annotations

import numpy as np

from lens_report.stats.scored import Floats


def average_confidence(confidence: Floats) -> float:
    """Mean of the largest probability, float [n]: the accuracy if every probability is what it says."""
    return float(confidence.mean())


def difference_of_confidences(source: Floats, right: Floats, target: Floats) -> float:
    """Source accuracy minus the drop of mean confidence: acc_s - (AC_s - AC_t).

    Args:
        source: float [n], confidences of the labelled answers.
        right: float [n], 1 or 0.
        target: float [m], confidences of the unlabelled answers.
    """
    return float(right.mean() - (source.mean() - target.mean()))


def threshold(score: Floats, right: Floats) -> float:
    """The score that as large a share of the labelled answers exceeds as is right: ATC's threshold.

    With k wrong answers it is the k-th smallest score, minus infinity without any. Answers with equal scores are on the
    same side of it, so with ties at the threshold a smaller share may exceed it.

    Args:
        score: float [n], high for a certain answer.
        right: float [n], 1 or 0.
    """
    wrong = int(right.size - np.count_nonzero(right))
    return float(np.partition(score, wrong - 1)[wrong - 1]) if wrong else -np.inf


def thresholded(score: Floats, right: Floats, target: Floats) -> float:
    """Share of the unlabelled scores, float [m], above the `threshold` of the labelled ones."""
    return float(np.mean(target > threshold(score, right)))
