"""Is the set large enough to tell? Widths and detectable differences of an AUROC, before and after clustering."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from scipy.special import logit
from scipy.stats import norm

from lens_report.stats.results import Estimate, t_quantile

LARGE_EFFECT = 0.1
"""A set is called too small when not even this distance from .5 is detectable."""


@dataclass(frozen=True)
class Power:
    """What a set of this size can show about a score that ranks errors.

    Attributes:
        half_width: Half-width of the 95 % interval at the AUROC asked about.
        detectable: Smallest distance of an AUROC from .5 that is found with 80 % probability at the 5 % level.
        design_effect: Factor by which clustering widens the variance (1: independent rows).
        enough: Whether an AUROC of .6 would be detected.
        statement: One sentence for the report.
    """

    half_width: float | None
    detectable: float | None
    design_effect: float
    enough: bool
    statement: str


def auroc_error(auroc: float, n_errors: int, n_right: int) -> float:
    """Standard error of an AUROC from independent rows (Hanley and McNeil 1982); needs both classes."""
    q1, q2 = auroc / (2 - auroc), 2 * auroc * auroc / (1 + auroc)
    variance = auroc * (1 - auroc) + (n_errors - 1) * (q1 - auroc**2) + (n_right - 1) * (q2 - auroc**2)
    return sqrt(variance / (n_errors * n_right))


def design_effect(estimate: Estimate) -> float | None:
    """Variance of an AUROC estimate by its interval, over the variance that independent rows would have.

    None when the estimate has no interval or stands at 0 or 1.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None or not estimate.n_errors:
        return None
    if not 0 < estimate.value < 1 or estimate.n_errors >= estimate.n:
        return None
    if not 0 < estimate.low < estimate.high < 1:
        return None
    half = (logit(estimate.high) - logit(estimate.low)) / 2  # the interval is made on this scale
    measured = half * estimate.value * (1 - estimate.value) / t_quantile(estimate.n_clusters)
    return float((measured / auroc_error(estimate.value, estimate.n_errors, estimate.n - estimate.n_errors)) ** 2)


def power(n_errors: int, n_right: int, *, auroc: float = 0.8, design_effect: float = 1.0) -> Power:
    """What a set can show.

    Args:
        n_errors: Wrong answers.
        n_right: Right answers.
        auroc: AUROC at which the half-width is asked.
        design_effect: From `design_effect` of an estimate on the same set; values below 1 count as 1.

    Returns:
        Widths and a sentence.
    """
    effect = max(design_effect, 1.0)
    if n_errors < 1 or n_right < 1:
        missing = "no wrong" if n_errors < 1 else "no right"
        return Power(None, None, effect, False, f"There are {missing} answers, so nothing can be said about errors.")
    widen = sqrt(effect)
    half_width = float(norm.ppf(0.975)) * auroc_error(auroc, n_errors, n_right) * widen
    null_error = auroc_error(0.5, n_errors, n_right) * widen
    detectable = min(0.5, float(norm.ppf(0.975) + norm.ppf(0.8)) * null_error)
    enough = detectable <= LARGE_EFFECT
    verdict = "" if enough else f" The set is too small to tell an AUROC of {0.5 + LARGE_EFFECT:.1f} from chance."
    return Power(
        half_width,
        detectable,
        effect,
        enough,
        f"With {n_errors} wrong and {n_right} right answers and a design effect of {effect:.1f}, an AUROC near "
        f"{auroc:.2f} is known to about ±{half_width:.3f}, and one of {0.5 + detectable:.2f} or more is found with "
        f"80 % probability.{verdict}",
    )
