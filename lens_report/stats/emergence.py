"""From which layer on the right answer is there, with the samples in which it never was; and which kind comes first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from lens_report.stats.auroc import auroc, standard_error
from lens_report.stats.clusters import Clusters
from lens_report.stats.means import score_interval
from lens_report.stats.results import MIN_CLUSTERS, Estimate, Sizes, beyond_rounding, t_interval
from lens_report.stats.scored import Floats

MEDIAN = "layers at which the interval of the share holds one half"
ORDER = "cluster-robust t interval of a two-sample rank statistic"


@dataclass(frozen=True, eq=False)
class EmergenceCurve:
    """Share of samples in which an event (first or stable correct) has happened by each layer.

    Attributes:
        layer: int [L], the layers asked about, rising.
        share: float [L], of all samples; those in which it never happens stay in.
        low: float [L], pointwise 95 % interval; NaN where none is given, and then ``note`` says why.
        high: float [L].
        median: First layer by which half of all samples have had the event, with its interval. Missing when fewer than
            half ever had it. An end of the interval is missing when that end is never reached.
        emerged: Share by the last layer.
        note: What a reader has to know.
    """

    layer: NDArray[np.int64]
    share: Floats
    low: Floats
    high: Floats
    median: Estimate
    emerged: Estimate
    note: str = ""


def emergence(event_layer: ArrayLike, layers: ArrayLike, clusters: Clusters | ArrayLike) -> EmergenceCurve:
    """Emergence by layer.

    Every sample is read up to the last layer, so that the Kaplan-Meier estimate is the plain share and its interval
    that of a share. The interval of the median holds the layers at which one half lies within the interval of the share
    (Woodruff 1952; Brookmeyer and Crowley 1982).

    Args:
        event_layer: float [n], layer of the event (``gold_based.first_correct_layer`` or ``stable_correct_layer``);
            NaN where it never happened. Leave out rows without a valid readout or without gold before.
        layers: int [L], the recorded layers, rising.
        clusters: Labels [n].

    Returns:
        The curve, the median layer and the share that emerged.
    """
    grid, event = np.asarray(layers, dtype=np.int64), np.asarray(event_layer, dtype=np.float64)
    groups = Clusters.of(clusters)
    by_layer = [score_interval((event <= layer).astype(np.float64), groups) for layer in grid]
    share, low, high = (
        np.array([np.nan if (end := getattr(one, name)) is None else end for one in by_layer], dtype=np.float64)
        for name in ("value", "low", "high")
    )
    emerged = by_layer[-1]
    return EmergenceCurve(grid, share, low, high, _median(share, low, high, grid, emerged), emerged, emerged.note)


def _median(share: Floats, low: Floats, high: Floats, layer: NDArray[np.int64], emerged: Estimate) -> Estimate:
    sizes = Sizes(emerged.n, emerged.n_clusters)
    if emerged.value is None:
        return sizes.missing(emerged.note, MEDIAN)
    value = _first(share >= 0.5 - 1e-12, layer)
    if value is None:
        return sizes.missing(f"fewer than half emerged ({share[-1]:.0%})", MEDIAN)
    if emerged.low is None:
        return sizes.estimate(value, None, None, MEDIAN, emerged.note)
    upper = _first(low >= 0.5, layer)
    note = "" if upper is not None else "no upper end: fewer than half may have emerged"
    return sizes.estimate(value, _first(high >= 0.5, layer), upper, MEDIAN, note)


def _first(reached: NDArray[np.bool_], layer: NDArray[np.int64]) -> float | None:
    return float(layer[np.argmax(reached)]) if reached.any() else None


@dataclass(frozen=True)
class Precedence:
    """Which of two kinds comes first.

    Attributes:
        lead: P(a earlier than b) - P(b earlier than a) for a random pair: 1 when a always comes first, 0 for no order.
            Events that never happen come after all others and tie with each other.
        p_value: Two-sided test of no order; None when there is no interval.
    """

    lead: Estimate
    p_value: float | None


def precedence(event_a: ArrayLike, event_b: ArrayLike, clusters_a: Clusters, clusters_b: Clusters) -> Precedence:
    """Whether the events of one kind of samples come before those of another.

    Args:
        event_a: float [n], layer of the event, NaN where it never happened.
        event_b: float [m].
        clusters_a: Clusters of the n rows.
        clusters_b: Clusters of the m rows, with the same codes: the two kinds may share images.

    Returns:
        Somers' D of the two, which is 2 AUROC - 1 of the layer as a score of the second kind, with its interval.
    """
    a, b = (np.nan_to_num(np.asarray(event, dtype=np.float64), nan=np.inf) for event in (event_a, event_b))
    count = max(clusters_a.count, clusters_b.count)
    groups = Clusters(np.r_[clusters_a.codes, clusters_b.codes], count)
    sizes = Sizes(a.size + b.size, groups.n_present())
    if not a.size or not b.size:
        return Precedence(sizes.missing("one kind has no rows", ORDER), None)
    second = np.arange(sizes.n) >= a.size
    area = auroc(np.r_[a, b], second)
    lead = 2 * area.value - 1
    if sizes.n_clusters < MIN_CLUSTERS:
        return Precedence(sizes.estimate(lead, None, None, ORDER, sizes.too_small), None)
    error = 2 * standard_error(area.influence, second, groups)
    if not beyond_rounding(error, sizes.n):
        reason = "no interval: the order is the same in all clusters"
        return Precedence(sizes.estimate(lead, None, None, ORDER, reason), None)
    low, high = t_interval(lead, error, sizes.n_clusters)
    p_value = float(2 * student.sf(abs(lead) / error, sizes.n_clusters - 1))
    return Precedence(sizes.estimate(lead, max(low, -1.0), min(high, 1.0), ORDER), p_value)
