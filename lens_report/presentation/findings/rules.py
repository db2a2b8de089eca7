"""The rules by which a metric may be called associated with errors, or said to add to final confidence."""

from __future__ import annotations

from dataclasses import dataclass

from lens_report.measures import Prediction
from lens_report.measures.predictors import Predictor
from lens_report.stats import Estimate

LEVEL = 0.05


@dataclass(frozen=True)
class Verdicts:
    """Which metrics the tests let through, by short name.

    Attributes:
        listed: All metrics that were ranked, the baseline and the null columns left out.
        associated: AUROC interval apart from chance and permutation test significant after Holm.
        adding: Gain interval above zero and regression significant after Holm.
        untested: No interval for the gain, or no regression: too little data for a claim.
        not_shown: None of these: no effect was found.
    """

    listed: tuple[str, ...]
    associated: tuple[str, ...]
    adding: tuple[str, ...]
    untested: tuple[str, ...]
    not_shown: tuple[str, ...]


def verdicts(prediction: Prediction) -> Verdicts:
    """Apply the rules of docs/report.md to a ranking."""
    ranked = prediction.ranking.predictors if prediction.ranking else ()
    metrics = [one for one in ranked if one.column != prediction.confidence and not one.column.startswith("null.")]
    associated = [one for one in metrics if is_associated(one)]
    adding = [one for one in metrics if adds(one)]
    untested = [
        one for one in metrics if one.p_increment_holm is None or one.gain is None or one.gain.delta.low is None
    ]
    not_shown = [one for one in metrics if one not in associated and one not in adding]
    return Verdicts(*(tuple(map(short, group)) for group in (metrics, associated, adding, untested, not_shown)))


def is_associated(one: Predictor) -> bool:
    """Whether a metric is associated with errors by the rules."""
    apart = one.association.auroc.low is not None and not covers(one.association.auroc, 0.5)
    return apart and one.p_null_holm is not None and one.p_null_holm < LEVEL


def adds(one: Predictor) -> bool:
    """Whether a metric adds to final confidence by the rules."""
    above = one.gain is not None and one.gain.delta.low is not None and one.gain.delta.low > 0
    return above and one.p_increment_holm is not None and one.p_increment_holm < LEVEL


def short(one: Predictor) -> str:
    """A metric's name without its name space."""
    return one.column.split(".", 1)[-1]


def covers(estimate: Estimate, value: float) -> bool:
    """Whether the interval covers a value; False when there is none."""
    return estimate.low is not None and estimate.high is not None and estimate.low <= value <= estimate.high
