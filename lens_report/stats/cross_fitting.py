"""Cross-fitting: folds that keep clusters whole, and scores predicted for rows that a model has not seen."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import SplineTransformer, StandardScaler

from lens_report.stats.clusters import Clusters
from lens_report.stats.scored import Bools, Floats

N_FOLDS = 5
KNOTS = 5
RIDGE = 1e3
"""Inverse strength of the penalty that keeps a separable fold finite; negligible otherwise."""


def grouped_folds(clusters: Clusters, error: Bools, *, n_folds: int = N_FOLDS, seed: int = 0) -> NDArray[np.int64]:
    """A fold for every row such that a cluster lies in one fold and errors are spread evenly: int [n], 0 .. folds - 1.

    Args:
        clusters: of the n rows.
        error: bool [n].
        n_folds: Number of folds.
        seed: Of the order among clusters with equally many errors.
    """
    if min(clusters.n_present(), max(error.sum(), error.size - error.sum())) < n_folds:
        return clusters.codes % n_folds  # too few rows to spread anything
    codes, errors = clusters.codes.astype(np.int64), np.asarray(error, dtype=bool)
    return _folds(codes.tobytes(), errors.tobytes(), n_folds, seed).copy()


@lru_cache(maxsize=16)
def _folds(codes: bytes, errors: bytes, n_folds: int, seed: int) -> NDArray[np.int64]:
    """Of the same rows several statistics of a report ask for the same folds, which take a while to find."""
    groups, error = np.frombuffer(codes, dtype=np.int64), np.frombuffer(errors, dtype=bool)
    fold = groups % n_folds
    splitter = _QuickFolds(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # callers say what is too small
        for number, (_, held_out) in enumerate(splitter.split(np.zeros(error.size), error, groups)):
            fold[held_out] = number
    return fold


class _QuickFolds(StratifiedGroupKFold):  # type: ignore[misc]
    """The same folds: what a cluster would do to each of them is computed for all at once, not fold by fold.

    Where a release of scikit-learn has no such method, its own way is taken, which takes six times as long.
    """

    def _find_best_fold(self, y_counts_per_fold: Floats, y_cnt: Floats, group_y_counts: Floats) -> int:
        folds = np.arange(len(y_counts_per_fold))
        proposed = np.repeat(y_counts_per_fold[None], folds.size, axis=0)
        proposed[folds, folds] += group_y_counts
        uneven = np.std(proposed / y_cnt, axis=1).mean(axis=1).tolist()
        sizes = y_counts_per_fold.sum(axis=1).tolist()
        best = 0
        for fold in range(1, folds.size):
            gap = uneven[fold] - uneven[best]
            close = abs(gap) <= 1e-8 + 1e-5 * abs(uneven[best])  # as np.isclose
            if gap < 0 or (close and sizes[fold] < sizes[best]):
                best = fold
        return best


def spline(values: Floats, n_knots: int = KNOTS) -> Floats:
    """Cubic spline columns of one variable, linear beyond its range: float [n] -> float [n, columns].

    Knots stand at quantiles. A variable with too few distinct values for them comes back as it is, in one column.
    """
    knots = np.unique(np.quantile(values, np.linspace(0.0, 1.0, n_knots)))
    if knots.size < 3 or np.unique(values).size < n_knots:
        return values[:, None]
    basis = SplineTransformer(knots=knots[:, None], degree=3, extrapolation="linear", include_bias=False)
    return np.asarray(basis.fit_transform(values[:, None]), dtype=np.float64)


def cross_fitted(features: Floats, error: Bools, fold: NDArray[np.int64]) -> Floats:
    """Log-odds of error for each row from a logistic regression that was fitted on the other folds.

    Args:
        features: float [n, p].
        error: bool [n]; each set of other folds must hold both classes.
        fold: int [n].

    Returns:
        float [n].
    """
    out = np.zeros(error.size)
    for held_out in np.unique(fold):
        test = fold == held_out
        scaler = StandardScaler().fit(features[~test])
        model = LogisticRegression(C=RIDGE, solver="newton-cholesky", max_iter=200)
        model.fit(scaler.transform(features[~test]), error[~test])
        out[test] = model.decision_function(scaler.transform(features[test]))
    return out
