"""How sure a predicted accuracy is: what other samples would give, and what other sets would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from lens_report.stats.label_free.answer_set import AnswerSet, NotPredictedError
from lens_report.stats.label_free.methods import Method
from lens_report.stats.results import (
    MAX_LOST_DRAWS,
    Estimate,
    Sizes,
    beyond_rounding,
    join_notes,
    logit_interval,
)
from lens_report.stats.scored import Floats

METHOD = "bootstrap of clusters, labelled and unlabelled"
N_DRAWS = 200
LEVEL = 0.95
MIN_SETS = 5
"""Fewest labelled sets whose errors, each predicted from the others, say how far off the next one may be."""
EXCHANGEABLE = "assumes that the unlabelled set was drawn as the labelled ones were, each as likely as any other"


def sampling_draws(
    method: Method,
    sources: Sequence[AnswerSet],
    target: AnswerSet,
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
    penalty: float | None = None,
) -> Floats:
    """Predictions from whole clusters drawn anew in every set, labelled and unlabelled: float [draws].

    A draw in which the method is not defined is NaN.

    Args:
        method: Fitted anew in every draw.
        sources: Labelled.
        target: Unlabelled.
        n_draws: Number of draws.
        seed: Of the draws.
        penalty: That of the fit on the sets themselves, so that draws do not choose another.
    """
    rng = np.random.default_rng(seed)
    found = np.full(n_draws, np.nan)
    for draw in range(n_draws):
        drawn = [source.resampled(rng) for source in sources]
        unlabelled = target.resampled(rng)
        try:
            found[draw] = method.fit(drawn, penalty).accuracy(unlabelled)
        except NotPredictedError:
            continue
    return found


def sampling_interval(value: float, draws: Floats, sizes: Sizes, note: str = "") -> Estimate:
    """A prediction with the 95 % interval that its bootstrap draws give: their standard deviation on the logit scale.

    The deviation is widened by G / (G - 1) and taken times Student's t for the G clusters of the unlabelled set, which
    percentiles of few draws do not allow for.
    """
    usable = draws[np.isfinite(draws)]
    reason = sizes.too_small
    if not reason and usable.size < max(2, (1 - MAX_LOST_DRAWS) * draws.size):
        reason = f"no interval: the method is not defined in {draws.size - usable.size} of {draws.size} draws"
    spread = float(usable.std(ddof=1)) if usable.size > 1 else 0.0
    if not reason and not (0 < value < 1 and beyond_rounding(spread, usable.size)):
        reason = "no interval: the prediction does not change from draw to draw, or is all or none"
    if reason:
        return sizes.estimate(value, None, None, METHOD, join_notes(note, reason))
    widened = spread * np.sqrt(sizes.n_clusters / (sizes.n_clusters - 1))
    return sizes.estimate(value, *logit_interval(value, widened, sizes.n_clusters), METHOD, note)


@dataclass(frozen=True)
class OverSets:
    """Interval from the errors on the labelled sets.

    Attributes:
        half_width: Largest absolute error that is allowed for.
        level: Share of sets that it holds if sets are exchangeable; below `LEVEL` where there are too few sets.
        n_sets: Labelled sets that could be predicted from the others.
    """

    half_width: float
    level: float
    n_sets: int


def over_sets(method: Method, sources: Sequence[AnswerSet]) -> OverSets | None:
    """Each labelled set predicted from the others: the quantile of the absolute errors that a further set keeps to.

    Split-conformal quantile (Vovk et al. 2005) of the residuals of leaving one set out: the ceil((S + 1) level)-th
    smallest of S, the largest where that is beyond S, at the level S / (S + 1) then. None where fewer than `MIN_SETS`
    sets can be predicted.
    """
    errors = []
    for place, held_out in enumerate(sources):
        others = [*sources[:place], *sources[place + 1 :]]
        try:
            predicted = method.fit(others, None).accuracy(held_out.without_labels()) if others else None
        except NotPredictedError:
            continue
        if predicted is not None:
            errors.append(abs(held_out.accuracy - predicted))
    count = len(errors)
    if count < MIN_SETS:
        return None
    rank = ceil((count + 1) * LEVEL)
    level = LEVEL if rank <= count else count / (count + 1)
    return OverSets(float(np.sort(errors)[min(rank, count) - 1]), level, count)
