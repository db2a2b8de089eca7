"""Accuracy by optimal transport of the candidates' shares to right labels (Lu et al. 2023, arXiv:2302.05018)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, kron, vstack
from scipy.stats import wasserstein_distance

from lens_report.stats.scored import Floats


def transport_cost(shares: Floats, frequencies: Floats) -> float:
    """Wasserstein distance between the answers' shares and one-hot labels of given frequencies, in the maximum norm.

    The maximum norm of p - e_c is 1 - p_c where the entries of p add up to one, so an answer that is matched with
    label c costs one minus the share of c. The cost is the predicted error, one minus it the accuracy: right if the
    labels are as frequent as the labelled answers say, and if the matching is. Two candidates: the distance in one
    dimension (`scipy.stats.wasserstein_distance`); more: the linear program.

    Args:
        shares: float [n, C], rows that add up to one.
        frequencies: float [C], of the right labels; they add up to one.
    """
    n, count = shares.shape
    if count == 2:
        return float(wasserstein_distance(shares[:, 1], [0.0, 1.0], None, frequencies))
    used = np.flatnonzero(frequencies > 0)
    cost = 1.0 - shares[:, used]
    # plan [n, used], row by row: rows add up to 1 / n, columns to the frequencies
    rows = kron(eye_array(n), np.ones((1, used.size)))
    columns = kron(np.ones((1, n)), eye_array(used.size))
    wanted = np.concatenate([np.full(n, 1.0 / n), frequencies[used] / frequencies[used].sum()])
    # one equation follows from the others; without it rounding cannot make them contradict each other
    found = linprog(cost.ravel(), A_eq=csr_array(vstack([rows, columns]))[:-1], b_eq=wanted[:-1], method="highs")
    if not found.success:
        raise ValueError(f"the transport problem of {n} answers and {used.size} labels was not solved: {found.message}")
    return float(found.fun)
