"""The methods: from labelled sets to a function that predicts the accuracy of an unlabelled one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lens_report.stats.label_free.answer_set import CONFIDENCE, ENTROPY, AnswerSet, NotPredictedError, common_scores
from lens_report.stats.label_free.classic import average_confidence, difference_of_confidences, thresholded
from lens_report.stats.label_free.profiles import regression
from lens_report.stats.label_free.transport import transport_cost
from lens_report.stats.label_free.trust import fit_trust

Sets = Sequence[AnswerSet]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A method fitted on labelled sets.

    Attributes:
        accuracy: Predicted accuracy of a set, between 0 and 1. Raises `NotPredictedError`.
        scores: Names of the scores that it looks at.
        penalty: Chosen by the fit; None where there is none to choose.
    """

    accuracy: Callable[[AnswerSet], float]
    scores: tuple[str, ...]
    penalty: float | None = None


@dataclass(frozen=True, eq=False)
class Method:
    """One way to predict an accuracy.

    Attributes:
        name: For `--method` and tables.
        about: In words.
        assumes: What has to hold for the number to be right.
        fit: From labelled sets, and a penalty that an earlier fit chose or None. Raises `NotPredictedError`.
        layers: Whether it looks at more than the last layer.
    """

    name: str
    about: str
    assumes: str
    fit: Callable[[Sets, float | None], Fitted]
    layers: bool = False


def _clipped(value: float) -> float:
    return float(np.clip(value, 0.0, 1.0))


def _each(predict: Callable[[AnswerSet, AnswerSet], float], score: str) -> Callable[[Sets, float | None], Fitted]:
    """A method for one labelled set; of several sets the mean of their predictions, every set counting the same."""

    def fit(sources: Sets, _: float | None) -> Fitted:
        return Fitted(
            lambda target: float(np.mean([_clipped(predict(source, target)) for source in sources])), (score,)
        )

    return fit


def _mean(sources: Sets, _: float | None) -> Fitted:
    value = float(np.mean([source.accuracy for source in sources]))
    return Fitted(lambda target: value, ())


def _confidence(sources: Sets, _: float | None) -> Fitted:
    return Fitted(lambda target: average_confidence(target.confidence), (CONFIDENCE,))


def _difference(source: AnswerSet, target: AnswerSet) -> float:
    return difference_of_confidences(source.confidence, source.verdicts, target.confidence)


def _threshold(source: AnswerSet, target: AnswerSet) -> float:
    return thresholded(source.confidence, source.verdicts, target.confidence)


def _entropy_threshold(source: AnswerSet, target: AnswerSet) -> float:
    return thresholded(-source.scores[ENTROPY], source.verdicts, -target.scores[ENTROPY])


def label_frequencies(source: AnswerSet, candidates: Sequence[str]) -> np.ndarray:
    """How often each candidate is the right one among the labelled answers that have one: float [C], sum 1.

    Args:
        source: Labelled, with the same candidates in any order.
        candidates: The axis.

    Raises:
        NotPredictedError: There is no such answer.
    """
    if source.gold is None or not (source.gold >= 0).any():
        raise NotPredictedError(f"optimal transport needs labels that are candidates, found no labels in {source.name}")
    counts = np.bincount(source.gold[source.gold >= 0], minlength=len(source.candidates))
    order = [source.candidates.index(candidate) for candidate in candidates]
    return np.asarray(counts[order] / counts.sum(), dtype=np.float64)


def _transport(sources: Sets, _: float | None) -> Fitted:
    def accuracy(target: AnswerSet) -> float:
        if target.shares is None:
            raise NotPredictedError(f"optimal transport needs candidates, {target.name} has none")
        alike = [source for source in sources if set(source.candidates) == set(target.candidates)]
        if not alike:
            raise NotPredictedError(f"optimal transport needs a labelled set with the candidates of {target.name}")
        frequencies = np.mean([label_frequencies(source, target.candidates) for source in alike], axis=0)
        return _clipped(1.0 - transport_cost(target.shares, frequencies))

    return Fitted(accuracy, (CONFIDENCE,))


def _readouts(sources: Sets) -> tuple[str, ...]:
    """Readouts that every answer of every labelled set has."""
    names = tuple(name for name in common_scores(list(sources)) if name not in (CONFIDENCE, ENTROPY))
    if not names:
        raise NotPredictedError("the labelled sets have no readout of the layers in common that every answer has")
    return names


def _profiles(sources: Sets, penalty: float | None) -> Fitted:
    found = regression(sources, penalty=penalty)
    return Fitted(found.accuracy, (CONFIDENCE,), found.penalty)


def _layer_profiles(sources: Sets, penalty: float | None) -> Fitted:
    found = regression(sources, _readouts(sources), penalty=penalty)
    return Fitted(found.accuracy, (CONFIDENCE, *found.readouts), found.penalty)


def _fitted_probability(sources: Sets, _: float | None) -> Fitted:
    model = fit_trust(sources)
    return Fitted(lambda target: float(model.p_correct(target).mean()), model.names)


def _fitted_layers(sources: Sets, _: float | None) -> Fitted:
    model = fit_trust(sources, _readouts(sources))
    return Fitted(lambda target: float(model.p_correct(target).mean()), model.names)


_ALL = (
    Method("mean", "mean accuracy of the labelled sets", "the unlabelled set is as hard as the labelled ones", _mean),
    Method("ac", "average confidence", "every probability of an answer is what it says", _confidence),
    Method(
        "doc",
        "difference of confidences",
        "confidence exceeds accuracy by as much as on the labelled sets",
        _each(_difference, CONFIDENCE),
    ),
    Method(
        "atc",
        "average thresholded confidence",
        "as many answers lie above the labelled sets' threshold of confidence as are right",
        _each(_threshold, CONFIDENCE),
    ),
    Method(
        "atc_entropy",
        "the same with minus the entropy of the candidates",
        "as many answers lie above the labelled sets' threshold of minus entropy as are right",
        _each(_entropy_threshold, ENTROPY),
    ),
    Method(
        "cot",
        "optimal transport of shares to labels",
        "labels are as frequent as on the labelled sets, and shares are matched with them at least cost",
        _transport,
    ),
    Method(
        "profile",
        "regression on sorted confidences",
        "sets with such confidences are as often right as the labelled sets with such confidences",
        _profiles,
    ),
    Method(
        "p_correct",
        "mean fitted probability of being right, from confidence and entropy",
        "an answer with such confidence is as often right as in the labelled sets",
        _fitted_probability,
    ),
    Method(
        "profile_layers",
        "regression on sorted confidences and readouts of the layers",
        "sets with such confidences and readouts are as often right as the labelled sets with such ones",
        _layer_profiles,
        True,
    ),
    Method(
        "p_correct_layers",
        "mean fitted probability of being right, from confidence, entropy and readouts of the layers",
        "an answer with such confidence and readouts is as often right as in the labelled sets",
        _fitted_layers,
        True,
    ),
)
METHODS = {method.name: method for method in _ALL}
"""Name -> method, those of the last layer first."""
