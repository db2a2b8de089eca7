"""What the statistics return: frozen results that say why a number is missing."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import norm
from scipy.stats import t as student

MIN_CLASS = 5
"""Fewest errors, and fewest right answers, for which an interval is given."""
MIN_CLUSTERS = 10
"""Fewest clusters for which an interval is given."""
MAX_LOST_DRAWS = 0.05
"""Largest share of bootstrap draws that may lack one class before the interval is withheld."""


def beyond_rounding(size: ArrayLike, n: int, scale: ArrayLike = 1.0) -> NDArray[np.bool_]:
    """Whether a mean, deviation or error is more than rounding leaves of n numbers whose terms cancel.

    The sum of n numbers of at most ``scale`` is off by at most n eps scale each (Higham, Accuracy and Stability of
    Numerical Algorithms, 2002, section 4.2), in whatever order a machine adds them up; nothing that small is a finding.
    """
    return np.asarray(np.abs(size) > n * np.finfo(np.float64).eps * np.asarray(scale))


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes:
        value: The estimate; None when there is none, and then ``note`` says why.
        low: Lower end of the interval; None when no interval is given, and then ``note`` says why.
        high: Upper end of the interval.
        n: Rows used.
        n_clusters: Clusters (images, pairs) among them.
        n_errors: Wrong answers among them; None where errors play no part.
        method: How the interval was made.
        note: What a reader has to know: why something is missing, how many rows were left out.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_clusters: int
    n_errors: int | None = None
    method: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None and not isfinite(number):
                raise ValueError(f"{name} of an estimate is a finite number or None, found {number}")
        if (self.value is None or self.low is None or self.high is None) and not self.note:
            raise ValueError("an estimate without a value or an interval needs a note that says why")

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval exists and lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Sizes:
    """How many rows, clusters and errors an estimate rests on."""

    n: int
    n_clusters: int
    n_errors: int | None = None

    def missing(self, note: str, method: str = "") -> Estimate:
        """An estimate that has no value, for the reason given."""
        return Estimate(None, None, None, self.n, self.n_clusters, self.n_errors, method, note)

    def estimate(self, value: float, low: float | None, high: float | None, method: str, note: str = "") -> Estimate:
        """An estimate of these sizes."""
        return Estimate(value, low, high, self.n, self.n_clusters, self.n_errors, method, note)

    @property
    def too_small(self) -> str:
        """Why no interval can be given; empty when one can."""
        if self.n_clusters < MIN_CLUSTERS:
            return f"no interval: {self.n_clusters} clusters, at least {MIN_CLUSTERS} are needed"
        if self.n_errors is not None and min(self.n_errors, self.n - self.n_errors) < MIN_CLASS:
            return (
                f"no interval: {self.n_errors} wrong and {self.n - self.n_errors} right answers, "
                f"at least {MIN_CLASS} of each are needed"
            )
        return ""


def two_sided_p(draws: NDArray[np.float64], at: float) -> float:
    """Twice the smaller tail of draws on either side of a value, itself counted as a draw; at most 1."""
    tail = min(np.count_nonzero(draws <= at), np.count_nonzero(draws >= at))
    return float(min(1.0, 2.0 * (1 + tail) / (1 + draws.size)))


def t_quantile(n_clusters: int) -> float:
    """97.5 percentile of Student's t for so many clusters."""
    return float(student.ppf(0.975, max(n_clusters - 1, 1)))


Value = TypeVar("Value", float, NDArray[np.float64])


def t_interval(value: Value, error: Value, n_clusters: int) -> tuple[Value, Value]:
    """Ends of the 95 % interval of an estimate with a cluster-robust standard error."""
    half = t_quantile(n_clusters) * error
    return value - half, value + half


def p_of_interval(estimate: Estimate) -> float | None:
    """Two-sided p of an estimate being zero, from its t interval; None where that has no width or there is none."""
    if estimate.value is None or estimate.low is None or estimate.high is None or estimate.high <= estimate.low:
        return None
    error = (estimate.high - estimate.low) / 2 / t_quantile(estimate.n_clusters)
    return float(2 * student.sf(abs(estimate.value) / error, max(estimate.n_clusters - 1, 1)))


def logit_interval(value: float, error: float, n_clusters: int) -> tuple[float, float]:
    """The same on the logit scale, for a number between 0 and 1."""
    centre, half = logit(value), t_quantile(n_clusters) * error / (value * (1 - value))
    return float(expit(centre - half)), float(expit(centre + half))


def fisher_interval(value: float, error: float, n_clusters: int) -> tuple[float, float]:
    """The same on Fisher's scale, for a correlation between -1 and 1."""
    centre, half = np.arctanh(value), t_quantile(n_clusters) * error / (1 - value**2)
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))


def wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's interval of a share from ``n`` observations (Wilson 1927)."""
    scale = 1.0 + quantile**2 / n
    centre = (share + quantile**2 / (2 * n)) / scale
    half = quantile / scale * sqrt(share * (1 - share) / n + quantile**2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def share_interval(share: float, error: float, n: float, n_clusters: int) -> tuple[float, float]:
    """Wilson's interval of a share of ``n`` rows at the effective sample size of its clusters.

    The sample size is divided by the design effect, which is never taken below 1. With no spread to measure it by, at a
    share of 0 or 1, each cluster counts as one observation.
    """
    spread = share * (1 - share)
    effective = n_clusters if spread <= 0 else min(n, spread / max(error**2, spread / n))
    return wilson(share, effective, t_quantile(n_clusters))


def percentile_estimate(
    value: float, draws: NDArray[np.float64], sizes: Sizes, method: str, note: str = ""
) -> Estimate:
    """An estimate with percentiles of its bootstrap draws as the 95 % interval.

    Args:
        value: The estimate on the data themselves.
        draws: float [draws]; NaN where a draw had one class only.
        sizes: What it rests on.
        method: Name of the bootstrap.
        note: Goes before any note about the interval.

    Returns:
        The estimate; without an interval when the data are too small or too many draws are NaN.
    """
    if not isfinite(value):
        return sizes.missing(join_notes(note, "not defined on these data"), method)
    usable = draws[np.isfinite(draws)]
    lost = 1.0 - usable.size / draws.size if draws.size else 1.0
    reason = sizes.too_small
    if not reason and lost > MAX_LOST_DRAWS:
        reason = f"no interval: {lost:.0%} of the resampled sets have one class only"
    if reason:
        return sizes.estimate(value, None, None, method, join_notes(note, reason))
    low, high = np.quantile(usable, interval_levels(sizes.n_clusters))
    return sizes.estimate(value, float(low), float(high), method, note)


def interval_levels(n_clusters: int) -> tuple[float, float]:
    """Percentiles of a 95 % bootstrap interval, widened for few clusters (the expanded percentiles of Hesterberg 2015).

    Resampling G clusters gives (G - 1) / G of the variance and normal rather than t tails; for many clusters the levels
    tend to .025 and .975.
    """
    low = float(norm.cdf(-np.sqrt(n_clusters / (n_clusters - 1)) * student.ppf(0.975, n_clusters - 1)))
    return low, 1.0 - low


def join_notes(*notes: str) -> str:
    """The notes that are not empty, separated by semicolons."""
    return "; ".join(note for note in notes if note)
