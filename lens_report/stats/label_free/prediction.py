"""A predicted accuracy with its intervals, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lens_report.stats.label_free.answer_set import AnswerSet, NotPredictedError, common_scores
from lens_report.stats.label_free.intervals import (
    METHOD,
    MIN_SETS,
    N_DRAWS,
    OverSets,
    over_sets,
    sampling_draws,
    sampling_interval,
)
from lens_report.stats.label_free.methods import Method
from lens_report.stats.label_free.shift import Outside, outside
from lens_report.stats.results import Estimate, Sizes


@dataclass(frozen=True)
class AccuracyPrediction:
    """What one method says of one unlabelled set.

    Attributes:
        method: Its name.
        estimate: Predicted accuracy; its interval holds what drawing other samples changes, if the method's assumption
            is true. Without a value where the method is not defined or refuses, and the note says why.
        errors: From the labelled sets, each predicted from the others; None for too few sets or without a value.
        outside: The test of the scores.
        forced: Whether the number is given although the test refuses it.
    """

    method: str
    estimate: Estimate
    errors: OverSets | None
    outside: Outside
    forced: bool = False

    @property
    def over_sets(self) -> tuple[float, float] | None:
        """Ends of the interval from the errors on the labelled sets, within 0 and 1."""
        if self.errors is None or self.estimate.value is None:
            return None
        value, half = self.estimate.value, self.errors.half_width
        return max(0.0, value - half), min(1.0, value + half)


def predict(
    target: AnswerSet,
    sources: Sequence[AnswerSet],
    method: Method,
    *,
    force: bool = False,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> AccuracyPrediction:
    """Predict the accuracy of an unlabelled set.

    Args:
        target: Its labels, if it has any, are taken off before anything else.
        sources: Labelled sets. Of the readouts those are used that every answer has, labelled or not.
        method: One of `METHODS`.
        force: Give the number although the distributions of the scores are too far apart.
        n_draws: Of the bootstrap; 0 for no interval.
        seed: Of the bootstrap.
    """
    unlabelled = target.without_labels()
    sizes = Sizes(len(unlabelled), unlabelled.clusters.n_present())
    if not sources:
        return AccuracyPrediction(method.name, sizes.missing("no labelled set was given", METHOD), None, Outside())
    names = common_scores([unlabelled, *sources])
    sources, unlabelled = [each.with_scores(names) for each in sources], unlabelled.with_scores(names)
    try:
        fitted = method.fit(sources, None)
        value = fitted.accuracy(unlabelled)
    except NotPredictedError as error:
        return AccuracyPrediction(method.name, sizes.missing(str(error), METHOD), None, Outside())
    found = outside(sources, unlabelled, fitted.scores)
    if found.refused and not force:
        return AccuracyPrediction(method.name, sizes.missing(f"refused: {found.reason}", METHOD), None, found)
    few = "" if len(sources) >= MIN_SETS else f"{len(sources)} labelled sets are too few to tell the error on a new one"
    draws = sampling_draws(method, sources, unlabelled, n_draws=n_draws, seed=seed, penalty=fitted.penalty)
    estimate = sampling_interval(value, draws, sizes, few)
    return AccuracyPrediction(method.name, estimate, over_sets(method, sources), found, found.refused)
