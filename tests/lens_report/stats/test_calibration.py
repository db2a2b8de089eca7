"""True nulls are rejected at the nominal rate, and intervals cover, on samples clustered by image.

The runs of `simulate_run` hold no information about errors beyond the final margin, while metrics and errors both
depend on the image. The fast tests look for gross faults; the slow ones measure the rates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import binomtest
from stats_simulation import SimulatedRun, simulate_run

from lens_report.measures.comparison import compare_runs
from lens_report.stats import (
    associate,
    delta_auroc,
    emergence,
    held_out_best_layer,
    logistic_increment,
    max_t,
    path_metrics,
    permutation_null,
    random_walk_null,
    risk_coverage,
    score_interval,
)
from lens_report.stats.results import Estimate


def image_metric(run: SimulatedRun) -> np.ndarray:
    """The hardest case for a test that ignores clusters: the same value for all samples of an image."""
    return (np.bincount(run.cluster, weights=run.noise) / np.bincount(run.cluster))[run.cluster]


def outside(estimate: Estimate, truth: float) -> bool:
    return not estimate.low <= truth <= estimate.high


def commit_depth(run: SimulatedRun) -> np.ndarray:
    return path_metrics(run.paths, run.depth)["commit_depth"]


def noisy_layers(run: SimulatedRun, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=run.paths.shape) + rng.normal(size=(run.cluster.max() + 1, run.paths.shape[1]))[run.cluster]
    return np.cumsum(steps, axis=1)


Rejects = Callable[[SimulatedRun, int], bool]
NULLS: dict[str, Rejects] = {
    "AUROC interval": lambda run, seed: outside(associate(run.noise, run.error, run.cluster).auroc, 0.5),
    "AUROC interval, image-level metric": lambda run, seed: outside(
        associate(image_metric(run), run.error, run.cluster).auroc, 0.5
    ),
    "Spearman interval": lambda run, seed: associate(run.noise, run.error, run.cluster).spearman.excludes_zero,
    "point-biserial interval": lambda run, seed: (
        associate(run.noise, run.error, run.cluster).point_biserial.excludes_zero
    ),
    "permutation": lambda run, seed: (
        permutation_null(run.noise, run.error, run.cluster, strata=run.pred, n_permutations=199, seed=seed).p_value
        <= 0.05
    ),
    "permutation, image-level metric": lambda run, seed: (
        permutation_null(image_metric(run), run.error, run.cluster, n_permutations=199, seed=seed).p_value <= 0.05
    ),
    "max-T over layers, any": lambda run, seed: (
        min(
            test.p_adjusted
            for test in max_t(noisy_layers(run, seed), run.error, run.cluster, n_permutations=199, seed=seed)
        )
        <= 0.05
    ),
    "increment of noise": lambda run, seed: (
        logistic_increment(run.noise, run.error, run.cluster, margin=run.margin, categories=[run.pred]).p_wald <= 0.05
    ),
    "increment of commit depth": lambda run, seed: (
        logistic_increment(commit_depth(run), run.error, run.cluster, margin=run.margin, categories=[run.pred]).p_wald
        <= 0.05
    ),
    "random walk": lambda run, seed: (
        random_walk_null(run.paths, run.depth, run.error, run.cluster, strata=run.pred, n_simulations=99, seed=seed)[
            "commit_depth"
        ].p_value
        <= 0.05
    ),
    "best held-out layer": lambda run, seed: outside(
        held_out_best_layer(noisy_layers(run, seed), run.error, run.cluster).auroc, 0.5
    ),
}


def rejection_rate(rejects: Rejects, n_runs: int, first_seed: int = 10_000) -> float:
    return float(np.mean([rejects(simulate_run(first_seed + i), i) for i in range(n_runs)]))


@pytest.mark.end_to_end
@pytest.mark.parametrize("name", [name for name in NULLS if name != "random walk"])
def test_true_nulls_are_not_rejected_often(name: str):
    assert rejection_rate(NULLS[name], 25) <= 0.2


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NULLS)
def test_true_nulls_are_rejected_at_the_nominal_rate(name: str):
    assert rejection_rate(NULLS[name], 600) == pytest.approx(0.05, abs=0.02)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_metric_without_information_hardly_ever_gains():
    gains = [
        delta_auroc(metric(run), [run.margin], run.error, run.cluster).adds
        for i, run in enumerate(map(simulate_run, range(200)))
        for metric in (lambda run: run.noise, commit_depth)
    ]
    assert np.mean(gains) <= 0.025


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_planted_effects_are_found():
    found = {"gain": [], "increment": [], "permutation": [], "AUROC": []}
    for seed in range(60):
        run = simulate_run(seed, planted=1.5)
        found["gain"].append(delta_auroc(run.noise, [run.margin], run.error, run.cluster).adds)
        found["increment"].append(
            logistic_increment(run.noise, run.error, run.cluster, margin=run.margin).p_wald < 0.05
        )
        found["permutation"].append(NULLS["permutation"](run, seed))
        found["AUROC"].append(NULLS["AUROC interval"](run, seed))
    assert {name: np.mean(hits) >= 0.9 for name, hits in found.items()} == dict.fromkeys(found, True)


@pytest.mark.end_to_end
def test_rows_taken_as_independent_reject_too_often():
    def ignoring_images(run: SimulatedRun, seed: int) -> bool:
        rows = np.arange(run.error.size)
        return outside(associate(image_metric(run), run.error, rows).auroc, 0.5)

    assert rejection_rate(ignoring_images, 60) > 0.1


def measures(run: SimulatedRun) -> dict[str, Estimate]:
    """Everything whose interval is in closed form."""
    found = associate(run.noise, run.error, run.cluster)
    curves = risk_coverage({"noise": run.noise, "margin": -run.margin}, run.error, run.cluster, baseline="noise")
    return {
        "auroc": found.auroc,
        "auprc": found.auprc,
        "spearman": found.spearman,
        "point_biserial": found.point_biserial,
        "aurc": curves["noise"].aurc,
        "difference of aurc": curves["margin"].difference,
    }


def coverage_of_measures(n_runs: int, **structure: float) -> dict[str, float]:
    """Share of runs whose intervals hold the value of a set so large that it counts as the truth."""
    structure = {"planted": 1.0} | structure
    large = simulate_run(0, **(structure | {"n_clusters": 300_000}))
    truth = {name: one.value for name, one in measures(large).items()}
    hits: dict[str, list[bool]] = {name: [] for name in truth}
    for seed in range(n_runs):
        for name, one in measures(simulate_run(seed + 1, **structure)).items():
            hits[name].append(not outside(one, truth[name]))
    return {name: float(np.mean(found)) for name, found in hits.items()}


def coverage_of_score(n_runs: int, level: float) -> float:
    """Answers right with probability expit(level + image effect)."""
    truth = expit(level + np.random.default_rng(0).normal(0, 1, 2_000_000)).mean()
    misses = []
    for seed in range(n_runs):
        rng = np.random.default_rng(seed + 1)
        cluster = np.repeat(np.arange(60), 8)
        right = rng.random(480) < expit(level + rng.normal(0, 1, 60))[cluster]
        misses.append(outside(score_interval(right, cluster), truth))
    return 1 - float(np.mean(misses))


def coverage_of_emergence(n_runs: int) -> float:
    truth = expit(np.random.default_rng(0).normal(0, 1, 2_000_000)).mean()
    misses = []
    for seed in range(n_runs):
        rng = np.random.default_rng(seed + 1)
        cluster = np.repeat(np.arange(60), 8)
        share = expit(rng.normal(0, 1, 60))[cluster]
        event = np.where(rng.random(480) < share, rng.integers(1, 5, 480), np.nan)
        misses.append(outside(emergence(event, [1, 2, 3, 4], cluster).emerged, truth))
    return 1 - float(np.mean(misses))


@pytest.mark.end_to_end
def test_intervals_cover_most_of_the_time():
    assert coverage_of_score(60, 2.0) >= 0.87
    assert coverage_of_emergence(40) >= 0.85


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_intervals_cover_at_the_nominal_rate():
    covered = coverage_of_measures(600)
    assert covered == pytest.approx(dict.fromkeys(covered, 0.95), abs=0.03)
    assert coverage_of_score(1000, 0.5) == pytest.approx(0.95, abs=0.025)
    assert coverage_of_score(1000, 3.5) == pytest.approx(0.95, abs=0.025), "near a score of 1"
    assert coverage_of_emergence(400) == pytest.approx(0.95, abs=0.025)


POPE = {"n_clusters": 500, "per_cluster": 10, "n_layers": 6}
"""POPE's three splits pooled: 500 images with 18 questions each, of which 10 are distinct."""


def within_binomial(hits: int, n_runs: int, share: float) -> bool:
    """Whether so many of the runs are what the share gives in all but one of a million sets of runs."""
    return float(binomtest(hits, n_runs, share).pvalue) > 1e-6


@pytest.mark.end_to_end
def test_nulls_on_the_clusters_of_pope_are_rejected_about_as_often_as_they_should():
    runs = [simulate_run(seed, **POPE) for seed in range(60)]
    rejected = sum(outside(associate(run.noise, run.error, run.cluster).auroc, 0.5) for run in runs)
    assert within_binomial(rejected, 60, 0.05)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["AUROC interval", "AUROC interval, image-level metric", "permutation"])
def test_nulls_on_the_clusters_of_pope_are_rejected_at_the_nominal_rate(name: str):
    rejected = [NULLS[name](simulate_run(seed, **POPE), seed) for seed in range(600)]
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.02)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_intervals_on_the_clusters_of_pope_cover_at_the_nominal_rate():
    covered = coverage_of_measures(2000, **POPE, planted=0.6)
    assert covered == pytest.approx(dict.fromkeys(covered, 0.95), abs=0.02)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_equal_runs_differ_at_the_nominal_rate():
    rejected = []
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        cluster = np.repeat(np.arange(60), 8)
        shared = rng.normal(0, 1, 60)[cluster]
        frames = [
            pd.DataFrame(
                {
                    "task": "t", "doc_id": np.arange(480), "request_idx": 0, "repeat": 0, "cluster": cluster,
                    "correct": rng.random(480) < expit(1 + shared + rng.normal(0, 0.8, 60)[cluster]),
                }
            )
            for _ in range(2)
        ]  # fmt: skip
        rejected.append(compare_runs(*frames).p_value <= 0.05)
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.02)
