"""The null in which the path through the layers carries nothing beyond the final margin.

Commitment depth or mean upper-layer confidence go with errors even when the layers are a random walk that happens to
end at the final margin: short margins were crossed late. To see how much of an association that explains, walks are
fitted to the run and simulated from each sample's own final margin. A drifting random walk, given where it ends, is a
straight line in its end plus a bridge that does not depend on it; so each layer is regressed on the last one, and the
residuals of all layers of one sample, taken together, are its bridge. In a simulated run every sample gets the bridge
of another sample, cluster for cluster: spread, shape and dependence stay, any link to the errors is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from lens_report.stats.auroc import auroc_value
from lens_report.stats.clusters import Clusters
from lens_report.stats.permutation import NullTest
from lens_report.stats.results import Sizes, join_notes, two_sided_p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
N_SIMULATIONS = 500
DIRECTION = {"commit_depth": 1.0, "flips": 1.0, "auc_pred": -1.0, "max_alt": 1.0}
"""1 where high values of a path metric are meant to go with errors."""
METHOD = "random walk fitted to the run, from each sample's final margin"


@dataclass(frozen=True, eq=False)
class RandomWalk:
    """Walks through the layers given their end, fitted separately for each stratum (predicted answer).

    Attributes:
        intercept: float [strata, L].
        slope: float [strata, L]; 1 at the last layer.
        spread: float [strata, L], standard deviation of the residuals; 0 at the last layer.
        bridges: float [n, L], residuals divided by the spread of their stratum.
        stratum: int [n], of the samples it was fitted to.
        clusters: of these samples.
    """

    intercept: Floats
    slope: Floats
    spread: Floats
    bridges: Floats
    stratum: Ints
    clusters: Clusters

    @classmethod
    def fit(cls, paths: Floats, clusters: Clusters, strata: Ints) -> RandomWalk:
        """Least squares of each layer on the last: paths float [n, L] without NaN, strata int [n] of any codes."""
        _, stratum = np.unique(strata, return_inverse=True)
        shape = (int(stratum.max()) + 1, paths.shape[1])
        intercept, slope, spread = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        bridges = np.zeros_like(paths)
        for level in range(shape[0]):
            rows = stratum == level
            mean = paths[rows].mean(axis=0)
            end = paths[rows, -1] - mean[-1]
            power = float(end @ end)
            slope[level] = (end @ (paths[rows] - mean)) / power if power > 0 else 0.0
            slope[level, -1] = 1.0
            intercept[level] = mean - slope[level] * mean[-1]
            residuals = paths[rows] - intercept[level] - np.outer(paths[rows, -1], slope[level])
            spread[level] = residuals.std(axis=0)
            spread[level, -1] = 0.0
            np.divide(residuals, spread[level], out=residuals, where=spread[level] > 0)
            bridges[rows] = residuals
        return cls(intercept, slope, spread, bridges, stratum.astype(np.int64), clusters)

    def simulator(self, final: Floats) -> Callable[[Ints], Floats]:
        """From donors int [n] to paths float [n, L] with their bridges that end at the final margins float [n]."""
        lines = self.slope[self.stratum] * final[:, None] + self.intercept[self.stratum]
        spread = self.spread[self.stratum]

        def simulate(donors: Ints) -> Floats:
            paths = self.bridges[donors]
            paths *= spread
            paths += lines
            return paths

        return simulate

    def donors(self, rng: np.random.Generator) -> Iterator[Ints]:
        """Again and again, for every row the row whose bridge it gets.

        Clusters are exchanged, and within them members in random order. Among clusters of one size every bridge is used
        once; a larger cluster uses those of a smaller one again.
        """
        small = np.uint16 if self.clusters.count < 2**16 else np.int64  # numpy sorts short integers by their digits
        unsorted = self.clusters.codes.astype(small)
        sizes = np.bincount(self.clusters.codes, minlength=self.clusters.count)
        starts = np.cumsum(sizes) - sizes
        present = np.flatnonzero(sizes)
        codes = np.repeat(np.arange(sizes.size), sizes)  # of the rows in the order of their clusters
        place = np.arange(codes.size) - starts[codes]
        partner = np.zeros_like(sizes)
        while True:
            shuffled = rng.permutation(codes.size)
            order = shuffled[np.argsort(unsorted[shuffled], kind="stable")]
            partner[present] = rng.permutation(present)
            theirs = partner[codes]
            donors = np.empty(order.size, dtype=np.int64)
            donors[order] = order[starts[theirs] + place % sizes[theirs]]
            yield donors


def path_metrics(paths: Floats, depth: Floats) -> dict[str, Floats]:
    """Label-free metrics that follow from the margin of the answer given alone.

    Args:
        paths: float [n, L], z_l(answer given) minus the best other candidate, in nats.
        depth: float [L], relative depth in [0, 1].

    Returns:
        ``commit_depth`` (NaN where the last margin is not positive), ``flips`` (changes of sign), ``auc_pred`` and
        ``max_alt`` (of the share expit(margin), which is q for two candidates), each float [n].
    """
    leads = paths > 0
    behind = ~leads[:, ::-1]
    first = np.where(behind.any(axis=1), depth.size - behind.argmax(axis=1), 0)
    upper = expit(paths[:, depth > 0.5])
    return {
        "commit_depth": np.where(leads[:, -1], depth[np.minimum(first, depth.size - 1)], np.nan),
        "flips": np.count_nonzero(np.diff(leads, axis=1), axis=1).astype(np.float64),
        "auc_pred": upper.mean(axis=1),
        "max_alt": 1.0 - upper.min(axis=1),
    }


def random_walk_null(
    paths: ArrayLike,
    depth: ArrayLike,
    error: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    strata: ArrayLike | None = None,
    n_simulations: int = N_SIMULATIONS,
    seed: int = 0,
) -> dict[str, NullTest]:
    """AUROC of error of the path metrics, beside what a random walk with the same final margins gives.

    Args:
        paths: float [n, L], margin of the answer given at each layer; rows with NaN are left out.
        depth: float [L], relative depth, rising to 1.
        error: [n], 1 for a wrong answer.
        clusters: Labels [n].
        strata: int [n], the predicted answer; walks are fitted to each apart. None for one walk.
        n_simulations: Simulated runs.
        seed: Of the simulations.

    Returns:
        Metric -> test, metrics oriented so that high values are meant to go with errors. An observed AUROC inside the
        null's interval says: nothing beyond the final margin was found.
    """
    margins, wrong = np.asarray(paths, dtype=np.float64), np.asarray(error, dtype=np.float64)
    depths = np.asarray(depth, dtype=np.float64)
    groups = Clusters.of(clusters)
    known = np.isfinite(margins).all(axis=1) & np.isfinite(wrong)
    note = f"{int((~known).sum())} of {known.size} rows have no path" if not known.all() else ""
    margins, labels, groups = margins[known], wrong[known] > 0, groups.at(known)
    sizes = Sizes(labels.size, groups.n_present(), int(labels.sum()))
    reason = _why_none(margins, depths, sizes)
    if reason:
        return dict.fromkeys(DIRECTION, NullTest.missing(sizes, METHOD, reason))
    level = np.zeros(known.size, dtype=np.int64) if strata is None else np.asarray(strata, dtype=np.int64)
    walk, rng = RandomWalk.fit(margins, groups, level[known]), np.random.default_rng(seed)
    observed = _aurocs(path_metrics(margins, depths), labels)
    donors = islice(walk.donors(rng), n_simulations)
    simulate = walk.simulator(margins[:, -1])
    with ThreadPoolExecutor() as pool:  # numpy lets the threads run side by side
        simulated = list(pool.map(lambda one: _aurocs(path_metrics(simulate(one), depths), labels), donors))
    return {
        name: _test(value, np.array([one[name] for one in simulated], dtype=np.float64), sizes, note)
        for name, value in observed.items()
    }


def _why_none(margins: Floats, depth: Floats, sizes: Sizes) -> str:
    if not sizes.n:
        return "no rows with a path and a verdict"
    if margins.shape[1] < 3 or not (depth > 0.5).any():
        return f"a walk needs three recorded layers, found {margins.shape[1]}"
    return sizes.too_small.removeprefix("no interval: ")


def _aurocs(metrics: Mapping[str, Floats], error: NDArray[np.bool_]) -> dict[str, float]:
    out = {}
    for name, values in metrics.items():
        known = np.isfinite(values)
        out[name] = auroc_value(DIRECTION[name] * values[known], error[known])
    return out


def _test(observed: float, null: Floats, sizes: Sizes, note: str) -> NullTest:
    null = null[np.isfinite(null)]
    if not np.isfinite(observed) or not null.size:
        return NullTest.missing(sizes, METHOD, join_notes(note, "one class only among the rows with the metric"))
    low, high = np.quantile(null, (0.025, 0.975))
    p_value = two_sided_p(null, observed)
    n_errors = sizes.n_errors or 0
    return NullTest(
        float(observed), float(low), float(high), p_value, None, null.size, sizes.n, sizes.n_clusters, n_errors,
        METHOD, note,
    )  # fmt: skip
