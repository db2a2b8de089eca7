"""Accuracy by layer beyond what the same leaders would get with shuffled answers, and how deep it arises."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from lens_report.stats.clusters import N_DRAWS, Clusters, Statistic, bootstrap
from lens_report.stats.means import LayerCurve, layer_curve
from lens_report.stats.results import Estimate, Sizes, beyond_rounding, percentile_estimate, two_sided_p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
METHOD = "cluster percentile bootstrap"
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Leaders:
    """Who leads the candidates in the samples of one kind.

    Attributes:
        leader: int [n, L], index of the leading candidate, -1 where nobody leads.
        gold: int [n], index of the right one, not -1.
        clusters: Of these n rows; kinds that are compared share the codes.
    """

    leader: Ints
    gold: Ints
    clusters: Clusters

    @property
    def sizes(self) -> Sizes:
        """Rows and clusters."""
        return Sizes(self.gold.size, self.clusters.n_present())


@dataclass(frozen=True, eq=False)
class AboveChance:
    """Accuracy above shuffled answers in one kind of samples.

    Attributes:
        curve: Mean and pointwise 95 % interval by layer of accuracy minus the accuracy that the same leaders would
            have with the gold answers shuffled among these samples. Zero for a readout that knows no more than
            how often each answer is right.
        chance: float [L], that accuracy with shuffled answers.
        from_place: First place on the layer axis from which the lower end stays above zero to the last layer, the
            interval widened for all layers (Bonferroni); None when the last layer itself is not above.
        halfway: Depth on the layer axis, in layers and interpolated between them, from which the curve stays above half
            of its last value. Missing when the last layer is not above zero.
        draws: float [draws], bootstrap draws of `halfway`, NaN where a draw has none; empty without an estimate.
    """

    curve: LayerCurve
    chance: Floats
    from_place: int | None
    halfway: Estimate
    draws: Floats


def above_chance(
    kinds: dict[str, Leaders], layers: Ints, *, n_draws: int = N_DRAWS, seed: int = 0
) -> dict[str, AboveChance]:
    """Accuracy above shuffled answers of several kinds of samples, with draws shared among them.

    Args:
        kinds: Name -> leaders and gold answers of its samples.
        layers: int [L].
        n_draws: Bootstrap draws.
        seed: Of the draws; the same clusters are drawn for all kinds, so that depths can be compared draw by draw.

    Returns:
        Name -> result.
    """
    curves = {name: _curve(one) for name, one in kinds.items()}
    statistics = {name: _excess(one) for name, one in kinds.items() if _risen(curves[name][0]) and one.sizes.n_clusters}
    draws: dict[str, Floats] = {}
    if statistics:
        some = kinds[next(iter(statistics))].clusters
        halves = [_halfway_statistic(one, layers) for one in statistics.values()]
        found = bootstrap(some, halves, n_draws=n_draws, seed=seed, n_rows=_longest(kinds))
        draws = dict(zip(statistics, found, strict=True))
    result = {}
    for name, one in kinds.items():
        curve, chance = curves[name]
        if name in draws:
            value = float(_halfway(statistics[name](np.ones((one.clusters.count, 1))), layers)[0])
            half = percentile_estimate(value, draws[name], one.sizes, METHOD)
        else:
            reason = one.sizes.too_small or "accuracy at the last layer is not above that of shuffled answers"
            half = one.sizes.missing(reason, METHOD)
        result[name] = AboveChance(curve, chance, _from_place(curve), half, draws.get(name, np.zeros(0)))
    return result


def depth_difference(first: AboveChance, second: AboveChance) -> tuple[Estimate, float | None]:
    """Half-way depth of the second minus that of the first, in layers, with a two-sided bootstrap p-value."""
    a, b = first.halfway, second.halfway
    sizes = Sizes(a.n + b.n, max(a.n_clusters, b.n_clusters))
    if a.value is None or b.value is None or a.low is None or b.low is None:
        return sizes.missing("one of the two has no half-way depth with an interval", METHOD), None
    gaps = second.draws - first.draws
    found = percentile_estimate(b.value - a.value, gaps, sizes, f"paired {METHOD}")
    usable = gaps[np.isfinite(gaps)]
    if found.low is None:
        return found, None
    return found, two_sided_p(usable, 0.0)


def _curve(one: Leaders) -> tuple[LayerCurve, Floats]:
    """The excess with intervals, and the accuracy with shuffled answers.

    The excess is a U-statistic: mean of [leader is gold] minus the mean over all pairs of samples of [leader of one is
    gold of the other]. Its variance comes from the first-order influence of each sample in both roles.
    """
    n, top = one.gold.size, int(one.gold.max(initial=0)) + 1
    gold_share = np.bincount(one.gold, minlength=top) / max(n, 1)
    values, chance = np.full(one.leader.shape, np.nan), np.full(one.leader.shape[1], np.nan)
    for place in range(one.leader.shape[1]) if n else ():
        leader = one.leader[:, place]
        inside = (leader >= 0) & (leader < top)
        lead_share = np.bincount(leader[inside], minlength=top) / n
        chance[place] = float(gold_share @ lead_share)
        by_leader = np.where(inside, gold_share[np.where(inside, leader, 0)], 0.0)
        values[:, place] = (leader == one.gold) - by_leader - lead_share[one.gold] + chance[place]
    return layer_curve(values, one.clusters), chance


def _risen(curve: LayerCurve) -> bool:
    return bool(_above_zero(curve.low, curve)[-1])


def _above_zero(low: Floats, curve: LayerCurve) -> NDArray[np.bool_]:
    return np.isfinite(low) & (low > 0) & beyond_rounding(low, int(curve.n.max()))


def _from_place(curve: LayerCurve) -> int | None:
    """First layer from which the Bonferroni-widened lower end stays above zero."""
    freedom = np.maximum(curve.n_clusters - 1, 1)
    wider = student.ppf(1 - LEVEL / 2 / curve.mean.size, freedom) / student.ppf(1 - LEVEL / 2, freedom)
    low = curve.mean - (curve.mean - curve.low) * wider
    above = _above_zero(low, curve)
    if not above[-1]:
        return None
    below = np.flatnonzero(~above)
    return int(below[-1]) + 1 if below.size else 0


def _excess(one: Leaders) -> Statistic:
    """A function from cluster weights to the excess, float [L, draws]."""
    n_layers, groups = one.leader.shape[1], one.clusters
    golds, gold = np.unique(one.gold, return_inverse=True)
    hit = groups.sums((one.leader == one.gold[:, None]).astype(np.float64)).T
    gold_counts = groups.sums(np.eye(golds.size)[gold]).T
    leads = one.leader[:, :, None] == golds
    lead_counts = groups.sums(leads.reshape(gold.size, -1).astype(np.float64)).T
    rows = np.bincount(groups.codes, minlength=groups.count).astype(np.float64)

    def evaluate(weights: Floats) -> Floats:
        n = np.maximum(rows @ weights, 1.0)
        share = (gold_counts @ weights) / n
        led = (lead_counts @ weights).reshape(n_layers, golds.size, -1)
        expected = (led * share).sum(axis=1) / n
        return np.asarray(hit @ weights / n - expected)

    return evaluate


def _halfway_statistic(excess: Statistic, layers: Ints) -> Statistic:
    return lambda weights: _halfway(excess(weights), layers)


def _halfway(excess: Floats, layers: Ints) -> Floats:
    """Depth from which a curve stays above half of its last value: float [L, d] -> float [d]; NaN when that is <= 0."""
    half = excess[-1] / 2
    below = excess < half
    count, draws = excess.shape
    last_below = np.where(below.any(axis=0), count - 1 - np.argmax(below[::-1], axis=0), -1)
    start, column = np.maximum(last_below, 0), np.arange(draws)
    end = np.minimum(start + 1, count - 1)
    low, high = excess[start, column], excess[end, column]
    step = np.divide(half - low, high - low, out=np.zeros_like(half), where=high > low)
    depth = layers[start] + step * (layers[end] - layers[start])
    depth = np.where(last_below < 0, layers[0], depth)
    return np.where(half > 0, depth, np.nan).astype(np.float64)


def _longest(kinds: dict[str, Leaders]) -> int:
    """Longest axis that is multiplied with the draws."""
    return max(int(np.unique(one.gold).size * one.leader.shape[1]) for one in kinds.values())
