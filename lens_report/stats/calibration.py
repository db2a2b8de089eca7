"""Whether probabilities of being right are what they say: calibration error, Brier score, NLL, selective answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, logsumexp

from lens_report.stats.clusters import Clusters
from lens_report.stats.means import score_interval
from lens_report.stats.results import (
    Estimate,
    Sizes,
    beyond_rounding,
    join_notes,
    t_interval,
)
from lens_report.stats.risk_coverage import COVERAGE, METHOD, area, risk_coverage
from lens_report.stats.scored import Bools, Floats

N_BINS = 15
SMALLEST_BIN = 10
SELECTIVE = (0.5, 0.8, 0.95)
"""Shares of the answers that are given, at which the accuracy among them is told."""
_LOG_TEMPERATURES = (-3.0, 3.0)


@dataclass(frozen=True, eq=False)
class Bin:
    """Answers of about equal probability.

    Attributes:
        confidence: Mean probability of being right.
        accuracy: Share that is right, clustered.
    """

    confidence: float
    accuracy: Estimate


@dataclass(frozen=True, eq=False)
class Calibration:
    """How far probabilities of being right can be trusted.

    Attributes:
        error: Root mean square calibration error over bins of equal mass, debiased (`calibration_error`).
        absolute_error: The usual expected calibration error over the same bins, mean absolute difference of probability
            and accuracy. It is too large on few answers, by as much as bins scatter; for comparison with other tools.
        overconfidence: Mean probability minus accuracy.
        all_given: Accuracy of all answers; None without any.
        brier: Mean squared difference of probability and verdict (1 or 0).
        nll: Mean negative logarithm of the probability of the verdict, nats.
        aurc: Area under the risk-coverage curve when the least probable answers are given up first.
        excess_aurc: The same minus the least possible at this accuracy, that of a score which ranks all errors last
            (Geifman, Uziel and El-Yaniv 2019, arXiv:1805.08206).
        selective: Share of the answers given -> accuracy among them, the most probable ones given.
        bins: Of the reliability diagram, by rising probability.
    """

    error: Estimate
    absolute_error: float | None
    overconfidence: Estimate
    all_given: float | None
    brier: Estimate
    nll: Estimate
    aurc: Estimate
    excess_aurc: Estimate
    selective: dict[float, Estimate]
    bins: tuple[Bin, ...]


def calibration(log_odds: ArrayLike, right: ArrayLike, clusters: Clusters | ArrayLike) -> Calibration:
    """Calibration of answers by the log-odds of being right that a model gives them.

    Args:
        log_odds: float [n], log p / (1 - p) in nats; rows with NaN are left out.
        right: [n], 1 for a right answer, 0 for a wrong one, NaN where unknown.
        clusters: Labels [n].
    """
    odds, verdict = np.asarray(log_odds, dtype=np.float64), np.asarray(right, dtype=np.float64)
    known = ~np.isnan(odds) & np.isfinite(verdict)
    groups, odds, is_right = Clusters.of(clusters).at(known), odds[known], verdict[known] > 0
    left_out = int((~known).sum())
    note = f"{left_out} of {known.size} rows have no probability" if left_out else ""
    sizes = Sizes(is_right.size, groups.n_present(), int((~is_right).sum()))
    if not sizes.n:
        none = sizes.missing(join_notes(note, "no rows with a probability and a verdict"))
        return Calibration(none, None, none, None, none, none, none, none, dict.fromkeys(SELECTIVE, none), ())
    probability = expit(odds)
    places = equal_mass(odds)
    curve = risk_coverage({"own": -odds}, ~is_right, groups, baseline="own")["own"]
    gaps = np.abs(_by_bin(probability - is_right, places))
    return Calibration(
        calibration_error(probability, is_right, groups, places),
        float(gaps @ np.bincount(places) / sizes.n),
        score_interval(probability - is_right, groups),
        float(is_right.mean()),
        score_interval((probability - is_right) ** 2, groups),
        score_interval(-log_expit(np.where(is_right, odds, -odds)), groups),
        curve.aurc,
        _excess(-odds, ~is_right, groups, sizes),
        {share: _accuracy(curve.risk, curve.low, curve.high, share, sizes) for share in SELECTIVE},
        tuple(
            Bin(float(probability[own].mean()), score_interval(is_right[own].astype(float), groups.at(own)))
            for own in (places == number for number in range(places.max() + 1))
        ),
    )


def equal_mass(values: Floats, n_bins: int = N_BINS) -> NDArray[np.int64]:
    """The bin of each row, int [n], 0 up: bins of about equal size and at least `SMALLEST_BIN` rows; equal values stay
    together."""
    wanted = int(np.clip(values.size // SMALLEST_BIN, 1, n_bins))
    edges = np.quantile(values, np.arange(1, wanted) / wanted, method="higher")
    return np.unique(np.searchsorted(np.unique(edges), values, side="left"), return_inverse=True)[1]


def calibration_error(probability: Floats, right: Bools, clusters: Clusters, places: NDArray[np.int64]) -> Estimate:
    """Root of the mean squared calibration error over bins, with the scatter of each bin taken off.

    The mean over rows of d_b^2 - V_b, with d_b the mean of p - y in the row's bin and V_b the cluster-robust variance
    of that mean, which a perfectly calibrated bin would have for its d_b^2; for independent rows of one probability it
    is the debiased estimator of Kumar, Liang and Ma 2019 (arXiv:1909.10155). Not below zero.

    Args:
        probability: float [n].
        right: bool [n].
        clusters: Of the rows.
        places: int [n], bins.

    Returns:
        The error; its interval is that of its square, by influences with the spread of V_b added, taken root of.
    """
    sizes = Sizes(right.size, clusters.n_present(), int((~right).sum()))
    gap = probability - right
    means = _by_bin(gap, places)
    weights = np.bincount(places) / sizes.n
    rest = gap - means[places]
    variance = np.array([_variance(rest, places == number, clusters) for number in range(means.size)])
    square = float(weights @ (means**2 - variance))
    value = float(np.sqrt(max(square, 0.0)))
    method = "influence function of the squared error, clustered"
    if sizes.too_small:
        return sizes.estimate(value, None, None, method, sizes.too_small)
    influence = 2 * means[places] * rest / sizes.n
    spread = np.sqrt(clusters.standard_error(influence) ** 2 + 2 * float(weights**2 @ variance**2))
    low, high = t_interval(square, float(spread), sizes.n_clusters)
    return sizes.estimate(value, float(np.sqrt(max(low, 0.0))), float(np.sqrt(max(high, 0.0))), method)


def _by_bin(values: Floats, places: NDArray[np.int64]) -> Floats:
    """Mean in each bin."""
    return np.bincount(places, weights=values) / np.bincount(places)


def _variance(rest: Floats, own: Bools, clusters: Clusters) -> float:
    """Cluster-robust variance of the mean of a bin, from deviations from it."""
    groups = clusters.at(own)
    return groups.standard_error(rest[own] / own.sum()) ** 2


def _excess(score: Floats, error: Bools, clusters: Clusters, sizes: Sizes) -> Estimate:
    """Area of a score minus the least possible one; the latter is that of the same errors, all given up first."""
    value, influence = area(score, error)
    best, of_best = area(error.astype(np.float64), error)
    excess = max(0.0, value - best)
    if sizes.too_small:
        return sizes.estimate(excess, None, None, METHOD, sizes.too_small)
    spread = clusters.standard_error(influence - of_best)
    if not beyond_rounding(spread, sizes.n):
        return sizes.estimate(excess, None, None, METHOD, "no interval: it is the least possible")
    low, high = t_interval(excess, spread, sizes.n_clusters)
    return sizes.estimate(excess, max(0.0, low), high, METHOD)


def _accuracy(risk: Floats, low: Floats, high: Floats, share: float, sizes: Sizes) -> Estimate:
    """One minus the risk at a coverage."""
    place = int(np.abs(COVERAGE - share).argmin())
    value = 1.0 - float(risk[place])
    if not np.isfinite(low[place]):
        return sizes.estimate(value, None, None, METHOD, sizes.too_small or "no interval")
    return sizes.estimate(value, 1.0 - float(high[place]), 1.0 - float(low[place]), METHOD)


def fitted_temperature(scores: Floats, gold: NDArray[np.int64]) -> float:
    """The temperature T at which softmax(scores / T) gives the right candidates the least mean NLL (Guo et al. 2017).

    Args:
        scores: float [n, C], NaN for a candidate that a row has not.
        gold: int [n], the right candidate, one that was scored.

    Returns:
        T, between e^-3 and e^3.
    """
    known = np.where(np.isfinite(scores), scores, -np.inf)
    own = np.take_along_axis(known, gold[:, None], axis=1)[:, 0]

    def nll(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        return float(np.mean(logsumexp(known * scale, axis=1) - own * scale))

    return float(np.exp(minimize_scalar(nll, bounds=_LOG_TEMPERATURES, method="bounded", options={"xatol": 1e-6}).x))
