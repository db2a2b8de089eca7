"""Simulated runs with a known answer: samples clustered by image, layers a random walk, errors by the final margin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit


@dataclass(frozen=True, eq=False)
class SimulatedRun:
    """A run without anything in its path beyond the final margin: [n] samples, [n, L] margins of the answer given."""

    cluster: NDArray[np.int64]
    paths: NDArray[np.float64]
    error: NDArray[np.float64]
    pred: NDArray[np.int64]
    noise: NDArray[np.float64]

    @property
    def margin(self) -> NDArray[np.float64]:
        return self.paths[:, -1]

    @property
    def depth(self) -> NDArray[np.float64]:
        return np.arange(1, self.paths.shape[1] + 1) / self.paths.shape[1]


def simulate_run(
    seed: int, *, n_clusters: int = 100, per_cluster: int = 9, n_layers: int = 12, planted: float = 0.0
) -> SimulatedRun:
    """Drifting walks whose drift and whose chance of error both depend on the image, independently of each other.

    ``noise`` is a metric that depends on the image and on nothing else; ``planted`` adds that much of the error to it.
    """
    rng = np.random.default_rng(seed)
    n = n_clusters * per_cluster
    cluster = np.repeat(np.arange(n_clusters), per_cluster)
    drift = rng.normal(0, 0.25, n) + rng.normal(0, 0.15, n_clusters)[cluster]
    walk = np.cumsum(drift[:, None] + rng.normal(0, 0.7, (n, n_layers)), axis=1)
    paths = walk * np.sign(walk[:, -1:])
    image_effect = rng.normal(0, 1.0, n_clusters)[cluster]
    error = (rng.random(n) < expit(0.8 - 2.0 * np.log1p(paths[:, -1]) + image_effect)).astype(float)
    noise = rng.normal(size=n) + rng.normal(size=n_clusters)[cluster] + planted * error
    return SimulatedRun(cluster, paths, error, (walk[:, -1] > 0).astype(np.int64), noise)
