"""From which layer on the right answer is there: curves that keep the samples in which it never was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_report.stats.clusters import N_DRAWS, Clusters, Weights, bootstrap
from lens_report.stats.results import MIN_CLUSTERS, Estimate, Sizes, interval_levels, join_notes

Floats = NDArray[np.float64]
METHOD = "Kaplan-Meier, cluster percentile bootstrap"


@dataclass(frozen=True, eq=False)
class EmergenceCurve:
    """Share of samples in which an event (first or stable correct) has happened by each layer.

    Attributes:
        layer: int [L], the layers asked about, rising.
        share: float [L], 1 - Kaplan-Meier survival; with all samples watched to the last layer, the plain share.
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


def emergence(
    event_layer: ArrayLike,
    layers: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    watched_to: ArrayLike | None = None,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> EmergenceCurve:
    """Emergence by layer with censoring.

    Args:
        event_layer: float [n], layer of the event (``gold_based.first_correct_layer`` or ``stable_correct_layer``);
            NaN where it never happened, which is a censored observation, not a missing one. Leave out rows without a
            valid readout or without gold before.
        layers: int [L], the recorded layers, rising.
        clusters: Labels [n].
        watched_to: int [n], last layer read of each sample; None when all were read to the last layer.
        n_draws: Bootstrap draws.
        seed: Of the draws.

    Returns:
        The curve, the median layer and the share that emerged.
    """
    grid = np.asarray(layers, dtype=np.int64)
    event = np.asarray(event_layer, dtype=np.float64)
    groups = clusters if isinstance(clusters, Clusters) else Clusters.of(clusters)
    last = np.full(event.size, grid[-1]) if watched_to is None else np.asarray(watched_to, dtype=np.int64)
    sizes = Sizes(event.size, groups.n_present())
    empty = np.full(grid.size, np.nan)
    if not event.size:
        none = sizes.missing("no rows")
        return EmergenceCurve(grid, empty, empty, empty, none, none, "no rows")
    happened = (event[:, None] == grid).astype(np.float64)
    at_risk = ((np.where(np.isnan(event), last, event)[:, None]) >= grid).astype(np.float64)
    happened_by_cluster, at_risk_by_cluster = groups.sums(happened).T, groups.sums(at_risk).T

    def shares(weights: Weights) -> Floats:
        risk = at_risk_by_cluster @ weights
        hazard = np.divide(happened_by_cluster @ weights, risk, out=np.zeros_like(risk), where=risk > 0)
        return np.asarray(1.0 - np.cumprod(1.0 - hazard, axis=0))

    share = shares(np.ones((groups.count, 1)))[:, 0]
    if sizes.n_clusters < MIN_CLUSTERS:
        median, emerged = (
            _median(share, None, grid, sizes),
            sizes.estimate(float(share[-1]), None, None, METHOD, sizes.too_small),
        )
        return EmergenceCurve(grid, share, empty, empty, median, emerged, sizes.too_small)
    draws = bootstrap(groups, [shares], n_draws=n_draws, seed=seed)[0]
    low, high = np.quantile(draws, interval_levels(sizes.n_clusters), axis=1)
    emerged = sizes.estimate(float(share[-1]), float(low[-1]), float(high[-1]), METHOD)
    return EmergenceCurve(grid, share, low, high, _median(share, draws, grid, sizes), emerged)


def _median(share: Floats, draws: Floats | None, layer: NDArray[np.int64], sizes: Sizes) -> Estimate:
    value = _crossing(share[:, None], layer)[0]
    if not np.isfinite(value):
        return sizes.missing(f"fewer than half emerged ({share[-1]:.0%})", METHOD)
    if draws is None:
        return sizes.estimate(float(value), None, None, METHOD, sizes.too_small)
    crossings = np.sort(_crossing(draws, layer))
    low, high = (float(crossings[round(q * (crossings.size - 1))]) for q in interval_levels(sizes.n_clusters))
    note = "" if np.isfinite(high) else "no upper end: in some resampled sets fewer than half emerged"
    return sizes.estimate(float(value), low, high if np.isfinite(high) else None, METHOD, join_notes(note))


def _crossing(share: Floats, layer: NDArray[np.int64]) -> Floats:
    """First layer at which the share reaches one half, infinity where it never does: float [L, d] -> float [d]."""
    reached = share >= 0.5 - 1e-12
    return np.where(reached.any(axis=0), layer[np.argmax(reached, axis=0)].astype(np.float64), np.inf)
