"""Means of right and of wrong answers about the same pictures, against a regression with clustered errors."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import t as student

from lens_report.stats import difference_of_means
from lens_report.stats.results import p_of_interval


def rows(seed: int, effect: float = 0.0, n_clusters: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, group and cluster of 1 to 6 rows a cluster; both values and groups depend on the cluster."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(n_clusters), rng.integers(1, 7, n_clusters))
    shared = rng.normal(size=(2, n_clusters))[:, cluster]
    first = rng.random(cluster.size) < 1 / (1 + np.exp(-shared[0]))
    return shared[1] + rng.normal(size=cluster.size) + effect * first, first, cluster


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_regression_on_the_group(seed: int) -> None:
    values, first, cluster = rows(seed, 0.3)
    found = difference_of_means(values, first, cluster)
    fit = sm.OLS(values, sm.add_constant(first.astype(float))).fit(
        cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}
    )
    count = np.unique(cluster).size
    error = fit.bse[1] * np.sqrt(count / (count - 1))
    assert found.value == pytest.approx(fit.params[1], rel=1e-9)
    assert found.high - found.low == pytest.approx(2 * student.ppf(0.975, count - 1) * error, rel=1e-9)
    assert p_of_interval(found) == pytest.approx(2 * student.sf(abs(fit.params[1]) / error, count - 1), rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_within_strata_equals_the_regression_with_a_mean_for_each(seed: int) -> None:
    values, first, cluster = rows(seed, 0.3)
    strata = np.random.default_rng(seed).integers(0, 3, values.size)
    values = values + 2.0 * strata
    found = difference_of_means(values, first, cluster, strata)
    design = np.column_stack([first, *(strata == level for level in range(3))]).astype(float)
    fit = sm.OLS(values, design).fit(cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False})
    count = np.unique(cluster).size
    width = 2 * student.ppf(0.975, count - 1) * fit.bse[0] * np.sqrt(count / (count - 1))
    assert (found.value, found.high - found.low) == (pytest.approx(fit.params[0]), pytest.approx(width))
    assert difference_of_means(values, first, cluster, first).note == "no stratum has rows of both groups"


def test_rows_without_a_value_are_left_out() -> None:
    values, first, cluster = rows(1, 0.3)
    values[::5] = np.nan
    known = np.isfinite(values)
    whole = difference_of_means(values, first, cluster)
    kept = difference_of_means(values[known], first[known], cluster[known])
    assert (whole.n, whole.n_clusters) == (kept.n, kept.n_clusters)
    assert (whole.value, whole.low, whole.high) == pytest.approx((kept.value, kept.low, kept.high), rel=1e-9)


@pytest.mark.parametrize(
    ("first", "reason"),
    [(np.ones(40, dtype=bool), "one of the two groups has no rows"), (np.arange(40) < 9, "in 9 clusters, at least 10")],
)
def test_too_little_of_a_group_gives_no_interval(first: np.ndarray, reason: str) -> None:
    found = difference_of_means(np.random.default_rng(0).normal(size=40), first, np.arange(40))
    assert found.low is None and reason in found.note


def test_values_that_do_not_vary_give_no_interval() -> None:
    first = np.arange(60) % 2 == 0
    found = difference_of_means(np.where(first, 0.3, 0.1), first, np.arange(60) // 2)
    assert (found.value, found.low) == (pytest.approx(0.2), None)


@pytest.mark.slow
def test_groups_with_equal_means_are_told_apart_at_the_nominal_rate() -> None:
    assert np.mean([difference_of_means(*rows(seed)).excludes_zero for seed in range(1000)]) == pytest.approx(
        0.05, abs=0.02
    )


def test_a_planted_difference_is_found() -> None:
    assert np.mean([difference_of_means(*rows(seed, 0.8)).excludes_zero for seed in range(40)]) > 0.9
