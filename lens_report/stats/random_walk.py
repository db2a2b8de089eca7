"""The null in which the path through the layers carries nothing beyond the final margin.

Commitment depth or mean upper-layer confidence go with errors even when the layers are a random walk that happens to
end at the final margin: short margins were crossed late. To see how much of an association that explains, walks are
fitted to the run and simulated from each sample's own final margin. A drifting random walk, given where it ends, is a
straight line in its end plus a bridge that does not depend on it; so each layer is regressed on the last one, and the
residuals of all layers of one sample, taken together, are its bridge. In a simulated run every sample gets the bridge
of another sample, cluster for cluster: spread, shape and dependence stay, any link to the errors is cut.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_report.stats.auroc import auroc_value, auroc_value_of_counts
from lens_report.stats.clusters import Clusters
from lens_report.stats.permutation import NullTest
from lens_report.stats.results import Sizes, join_notes, two_sided_p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
N_SIMULATIONS = 500
METRICS = ("commit_depth", "flips", "auc_pred", "max_alt")
METHOD = "random walk fitted to the run, from each sample's final margin"
BLOCK_ROWS = 4096
"""Rows simulated together: their paths stay in the cache of a processor."""
WAITING = 32
"""Simulated runs that are drawn at once: of 100,000 samples each holds 0.8 MB."""


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

    def simulator(self, final: Floats) -> Callable[[Ints, slice], Floats]:
        """From donors int [n] to paths float [rows, L] with their bridges that end at the final margins float [n].

        The second argument of what is returned says which of the n rows are wanted.
        """
        lines = self.slope[self.stratum] * final[:, None] + self.intercept[self.stratum]
        spread = self.spread[self.stratum]

        def simulate(donors: Ints, rows: slice = slice(None)) -> Floats:
            paths = self.bridges[donors[rows]]
            paths *= spread[rows]
            paths += lines[rows]
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
    found = _Measured.of(paths, depth)
    return {
        "commit_depth": np.append(depth, np.nan)[found.first],
        "flips": found.flips.astype(np.float64),
        "auc_pred": found.mean,
        "max_alt": 1.0 - found.least,
    }


@dataclass(frozen=True, eq=False)
class _Measured:
    """What `path_metrics` follows from.

    Attributes:
        first: int [n], place of the first layer from which on the answer given leads; L where it does not in the last.
        flips: int [n], changes of sign.
        mean: float [n], of the shares of the upper layers.
        least: float [n], the smallest of these shares.
    """

    first: NDArray[np.integer[Any]]
    flips: NDArray[np.integer[Any]]
    mean: Floats
    least: Floats

    @classmethod
    def of(cls, paths: Floats, depth: Floats) -> _Measured:
        """Of paths float [n, L], layer by layer: along the rows numpy takes many numbers at a time."""
        leads = np.ascontiguousarray((paths > 0).T)
        small = np.min_scalar_type(depth.size)
        after = np.arange(1, depth.size + 1, dtype=small)[:, None]
        upper = _share(np.ascontiguousarray(paths[:, depth > 0.5].T))
        return cls(
            first=(~leads * after).max(axis=0),
            flips=(leads[1:] != leads[:-1]).sum(axis=0, dtype=small),
            mean=upper.mean(axis=0),
            least=upper.min(axis=0),
        )

    def aurocs(self, n_layers: int, error: NDArray[np.bool_]) -> dict[str, float]:
        """AUROC of error of each metric, turned so that high values are meant to go with errors."""
        commits = self.first < n_layers
        return {
            "commit_depth": auroc_value_of_counts(self.first[commits], error[commits]),
            "flips": auroc_value_of_counts(self.flips, error),
            "auc_pred": auroc_value(-self.mean, error),
            "max_alt": auroc_value(1.0 - self.least, error),
        }


def _share(margins: Floats) -> Floats:
    """1 / (1 + exp(-margin)), in place of the margins."""
    with np.errstate(over="ignore"):
        np.exp(np.negative(margins, out=margins), out=margins)
    margins += 1.0
    return np.reciprocal(margins, out=margins)


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
        return dict.fromkeys(METRICS, NullTest.missing(sizes, METHOD, reason))
    level = np.zeros(known.size, dtype=np.int64) if strata is None else np.asarray(strata, dtype=np.int64)
    walk, rng = RandomWalk.fit(margins, groups, level[known]), np.random.default_rng(seed)
    observed = _Measured.of(margins, depths).aurocs(depths.size, labels)
    donors = islice(walk.donors(rng), n_simulations)
    one = partial(_simulated, walk.simulator(margins[:, -1]), depths, labels)
    simulated: list[dict[str, float]] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # numpy lets the threads run side by side
        for _ in range(0, n_simulations, WAITING):
            simulated += pool.map(one, islice(donors, WAITING))
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


def _simulated(
    simulate: Callable[[Ints, slice], Floats], depth: Floats, error: NDArray[np.bool_], donors: Ints
) -> dict[str, float]:
    """The AUROCs of one simulated run."""
    rows = (slice(start, start + BLOCK_ROWS) for start in range(0, donors.size, BLOCK_ROWS))
    parts = [_Measured.of(simulate(donors, part), depth) for part in rows]
    whole = (np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(_Measured))
    return _Measured(*whole).aurocs(depth.size, error)


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
