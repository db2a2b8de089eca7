"""The full set of statistics of a large run fits into a minute on two cores.

Measured in processor time, which does not depend on what else the machine is doing: sixty seconds of it are at most
sixty seconds on one core, and about half of that on two.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from stats_simulation import simulate_run

from lens_report.stats import (
    auroc_by_layer,
    emergence,
    held_out_best_layer,
    layer_curve,
    max_t,
    path_metrics,
    random_walk_null,
    rank_predictors,
    score_interval,
    strata_labels,
    stratified_auroc,
)
from lens_report.stats.naming import HIGHER_MEANS_ERROR


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nine_thousand_samples_of_28_layers_with_ten_thousand_draws():
    run = simulate_run(0, n_clusters=500, per_cluster=18, n_layers=28)
    rng = np.random.default_rng(0)
    metrics = {name: rng.normal(size=9000) + 0.3 * run.error for name in HIGHER_MEANS_ERROR}
    metrics |= path_metrics(run.paths, run.depth) | {"final_margin": run.margin}
    frame = pd.DataFrame({f"label_free.{name}": values for name, values in metrics.items()}).assign(
        correct=run.error == 0,
        cluster=run.cluster,
        pred_candidate=run.pred,
        question_type=rng.choice(["adversarial", "popular", "random"], 9000),
    )
    start = time.process_time()
    ranking = rank_predictors(frame, [f"label_free.{name}" for name in metrics])
    strata = strata_labels(frame, ["pred_candidate", "question_type"])
    layers = auroc_by_layer(-run.paths, run.error, run.cluster)
    max_t(-run.paths, run.error, run.cluster, strata=strata)
    held_out_best_layer(-run.paths, run.error, run.cluster)
    layer_curve(run.paths, run.cluster)
    event = np.where(run.error > 0, np.nan, rng.integers(1, 29, 9000))
    for _ in ("first correct", "stable correct"):
        emergence(event, np.arange(1, 29), run.cluster)
    for label in ("pred_candidate", "question_type"):
        stratified_auroc(-run.margin, run.error, run.cluster, frame[label])
    random_walk_null(run.paths, run.depth, run.error, run.cluster, strata=run.pred)
    score_interval(1 - run.error, run.cluster)
    seconds = time.process_time() - start
    assert len(ranking.predictors) == 13
    assert all(one.association.auroc.method.endswith("10000 draws") for one in ranking.predictors)
    assert len(layers) == 28
    assert seconds <= 60, f"took {seconds:.0f} s of processor time"
