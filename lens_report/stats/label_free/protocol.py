"""Methods held against each other: labelled sets taken for unlabelled ones in turn, errors paired over the sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lens_report.stats.label_free.answer_set import AnswerSet, NotPredictedError, common_scores
from lens_report.stats.label_free.methods import METHODS, Method
from lens_report.stats.label_free.shift import outside
from lens_report.stats.means import score_interval
from lens_report.stats.pairs import Comparison, paired
from lens_report.stats.permutation import holm
from lens_report.stats.results import Estimate
from lens_report.stats.scored import Floats


@dataclass(frozen=True, eq=False)
class Placed:
    """A labelled set with what it is of.

    Attributes:
        model: Name.
        data: Name of the set of questions.
        family: Benchmark that the questions are from.
        answers: The set.
    """

    model: str
    data: str
    family: str
    answers: AnswerSet


Speaks = Callable[[Placed, Placed], bool]
LEFT_OUT: Mapping[str, tuple[str, Speaks]] = {
    "set": (
        "same model, all other sets",
        lambda source, target: source.model == target.model and source.data != target.data,
    ),
    "benchmark": (
        "same model, sets of other benchmarks",
        lambda source, target: source.model == target.model and source.family != target.family,
    ),
    "model": (
        "same set, all other models",
        lambda source, target: source.data == target.data and source.model != target.model,
    ),
}
"""What is left out -> in words, and whether a labelled set may speak about another."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Every set predicted from those that may speak about it.

    Attributes:
        sets: The sets, in order.
        accuracy: float [sets], by their labels.
        predicted: Method -> float [sets], NaN where it is not defined; refused ones are in it.
        refused: Method -> bool [sets], whether the test of the scores refuses it.
    """

    sets: tuple[Placed, ...]
    accuracy: Floats
    predicted: Mapping[str, Floats]
    refused: Mapping[str, np.ndarray]

    def errors(self, method: str) -> Floats:
        """float [sets], absolute errors."""
        return np.asarray(np.abs(self.predicted[method] - self.accuracy))


def held_out(sets: Sequence[Placed], speaks: Speaks, methods: Sequence[Method] | None = None) -> HeldOut:
    """Take each set in turn for an unlabelled one.

    Args:
        sets: Labelled.
        speaks: Whether the first set may be used to predict the second: one of `LEFT_OUT`.
        methods: All of `METHODS` when None.
    """
    chosen = tuple(METHODS.values()) if methods is None else tuple(methods)
    predicted = {method.name: np.full(len(sets), np.nan) for method in chosen}
    refused = {method.name: np.zeros(len(sets), dtype=bool) for method in chosen}
    for place, target in enumerate(sets):
        sources = [each.answers for each in sets if speaks(each, target)]
        if not sources:
            continue
        unlabelled = target.answers.without_labels()
        names = common_scores([unlabelled, *sources])
        sources, unlabelled = [each.with_scores(names) for each in sources], unlabelled.with_scores(names)
        for method in chosen:
            try:
                fitted = method.fit(sources, None)
                predicted[method.name][place] = fitted.accuracy(unlabelled)
            except NotPredictedError:
                continue
            refused[method.name][place] = outside(sources, unlabelled, fitted.scores).refused
    return HeldOut(tuple(sets), np.array([each.answers.accuracy for each in sets]), predicted, refused)


@dataclass(frozen=True, eq=False)
class MethodErrors:
    """Absolute errors of one method.

    Attributes:
        method: Name.
        error: Mean absolute error with its interval; refused sets count.
        against: Baseline -> paired comparison: the method's absolute error minus that of the baseline.
        p_holm: Baseline -> p of that difference, corrected over the methods.
        n: Sets that it could predict.
        n_refused: Of them refused.
        accepted: Mean absolute error of the others.
    """

    method: str
    error: Estimate
    against: Mapping[str, Comparison]
    p_holm: Mapping[str, float | None]
    n: int
    n_refused: int
    accepted: Estimate


def compare_errors(found: HeldOut, baselines: Sequence[str] = ("doc", "mean")) -> list[MethodErrors]:
    """Errors of all methods, each against the baselines on the sets that both predict, clustered by set of questions.

    The models that answer one set of questions are one cluster; sets of one benchmark are taken for independent.
    """
    clusters = [each.data for each in found.sets]
    pairs = {
        base: {
            name: paired(found.errors(base), found.errors(name), clusters) for name in found.predicted if name != base
        }
        for base in baselines
        if base in found.predicted
    }
    corrected = {base: holm({name: one.p_value for name, one in own.items()}) for base, own in pairs.items()}
    rows = []
    for name in found.predicted:
        errors, refused = found.errors(name), found.refused[name]
        rows.append(
            MethodErrors(
                name,
                score_interval(errors, clusters),
                {base: own[name] for base, own in pairs.items() if name in own},
                {base: own[name] for base, own in corrected.items() if name in own},
                int(np.isfinite(errors).sum()),
                int((refused & np.isfinite(errors)).sum()),
                score_interval(np.where(refused, np.nan, errors), clusters),
            )
        )
    return rows
