"""Does the lens predict errors, beyond what the final confidence says anyway?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.columns import strata_labels
from lens_report.measures.error_rows import UNSCORED, ErrorRows, error_rows
from lens_report.measures.predictors import (
    HIGHER_MEANS_ERROR,
    LABEL_FREE,
    PICTURE,
    STRATA,
    Ranking,
    rank_predictors,
    repeated_without_sinks,
    sign,
)
from lens_report.measures.task_run import CONFIDENCES, TaskRun
from lens_report.stats import (
    BestLayer,
    Estimate,
    NullTest,
    Stratified,
    auroc_by_layer,
    held_out_best_layer,
    max_t,
    random_walk_null,
    stratified_auroc,
)
from lens_report.stats.results import Sizes

PREREGISTERED = tuple(LABEL_FREE + name for name in HIGHER_MEANS_ERROR)
"""The label-free metrics that are ranked, listed before any data are seen (docs/metrics.md)."""
LENGTH = "null.answer_length"
_TWINS = (LABEL_FREE + "final_prob", LABEL_FREE + "final_margin")
"""Two that say the same of a sample: where one is the baseline, the other is not ranked beside it."""
STRATIFIED = (
    "final_margin", "vocab_final_prob", "commit_depth", "vocab_commit_depth", "auc_pred", "vocab_auc_pred",
    "settle_depth",
)  # fmt: skip
"""Metrics shown by predicted answer and question type; of the two confidences the one that is the baseline."""


@dataclass(frozen=True)
class Draws:
    """How much is drawn: bootstrap draws, permutations and simulated runs, and the seed of all of them."""

    bootstrap: int = 10_000
    permutations: int = 2_000
    simulations: int = 500
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Prediction:
    """Errors against label-free metrics in one task.

    Attributes:
        n: Samples asked: read out, scored, an answer among the candidates, repeated questions once.
        n_wrong: Errors among them.
        n_groups: Independent groups among them.
        dropped: Why samples take no part -> how many.
        n_repeated: Repeated questions left out.
        confidence: Column of the baseline.
        ranking: All pre-registered metrics and the length of the answer; None when there is nothing to rank, and then
            `why_none` says why.
        absent: Pre-registered metrics without a value in this task.
        walk: Metric -> null of a random walk with the same final margins.
        layers: int [L], of `by_layer`.
        by_layer: Margin of the answer given as a predictor at each layer, corrected for all layers.
        auroc_by_layer: AUROC of that margin at each layer, with pointwise intervals.
        best_layer: Its held-out best layer; None when there are no margins.
        strata: Label (answer given, question type) -> metric -> AUROC within each level.
    """

    n: int
    n_wrong: int
    n_groups: int
    dropped: dict[str, int]
    n_repeated: int
    confidence: str | None
    ranking: Ranking | None
    why_none: str = ""
    absent: tuple[str, ...] = ()
    walk: dict[str, NullTest] = field(default_factory=dict)
    layers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    by_layer: tuple[NullTest, ...] = ()
    auroc_by_layer: tuple[Estimate, ...] = ()
    best_layer: BestLayer | None = None
    strata: dict[str, dict[str, Stratified]] = field(default_factory=dict)


def prediction(task_run: TaskRun, draws: Draws) -> Prediction:
    """The whole protocol of docs/statistics.md on one task."""
    rows = error_rows(task_run)
    n_wrong = int(rows.error.sum())
    counts = (rows.error.size, n_wrong, rows.clusters.n_present(), rows.dropped, rows.n_repeated)
    reason = _why_none(task_run, rows)
    if reason or task_run.confidence is None:
        return Prediction(*counts, task_run.confidence, None, reason)
    metrics = [name for name in PREREGISTERED if name in rows.frame and rows.frame[name].notna().any()]
    twins = _TWINS[1:] if task_run.confidence == _TWINS[0] else _TWINS[:1]
    repeated = (*twins, *repeated_without_sinks(rows.frame))
    ranking = rank_predictors(
        rows.frame,
        [*(name for name in metrics if name not in repeated), LENGTH],
        confidence=task_run.confidence,
        entropy="final_entropy" if rows.frame["final_entropy"].notna().any() else None,
        n_permutations=draws.permutations,
        seed=draws.seed,
    )
    return Prediction(
        *counts,
        task_run.confidence,
        ranking,
        absent=tuple(name for name in PREREGISTERED if name not in metrics and _applies(name, task_run)),
        strata=_strata(rows, metrics, task_run.confidence),
        **_paths(task_run, rows, draws),
    )


def _applies(column: str, task_run: TaskRun) -> bool:
    """Whether a metric could have a value in the task.

    Those of the vocabulary are for samples without candidates, those of the picture for runs with a probe of it.
    """
    if column.removeprefix(LABEL_FREE) in PICTURE and column not in task_run.run.samples:
        return False
    return not column.startswith(LABEL_FREE + "vocab_") or not task_run.closed_rows.all()


def _why_none(task_run: TaskRun, rows: ErrorRows) -> str:
    if not rows.error.size:
        return "no sample has a readout, a verdict and an answer among the candidates"
    if not rows.error.any():
        known = "known to be " if rows.dropped.get(UNSCORED) else ""
        return f"no answer is {known}wrong, so there are no errors to predict"
    if rows.error.all():
        return "every answer is wrong, so there are no right answers to tell them from"
    sizes = Sizes(rows.error.size, rows.clusters.n_present(), int(rows.error.sum()))
    if sizes.too_small:
        return sizes.too_small.removeprefix("no interval: ")
    return "" if task_run.confidence else "no final confidence was recorded, so there is no baseline to compare with"


def _paths(task_run: TaskRun, rows: ErrorRows, draws: Draws) -> dict[str, Any]:
    """Nulls of the margin's path and the margin as a predictor at every layer; nothing without margins."""
    margin = task_run.stack("margin_pred")[rows.rows]
    if not task_run.has_layers or not np.isfinite(margin).all(axis=1).any():
        return {}
    strata = strata_labels(rows.frame, ["answered"])
    walk = random_walk_null(
        margin,
        task_run.depth,
        rows.error,
        rows.clusters,
        strata=strata,
        n_simulations=draws.simulations,
        seed=draws.seed,
    )
    both = strata_labels(rows.frame, STRATA)
    by_layer = max_t(
        -margin, rows.error, rows.clusters, strata=both, n_permutations=draws.permutations, seed=draws.seed
    )
    auroc = auroc_by_layer(-margin, rows.error, rows.clusters)
    best = held_out_best_layer(-margin, rows.error, rows.clusters, seed=draws.seed)
    return {
        "walk": walk,
        "layers": task_run.layers,
        "by_layer": tuple(by_layer),
        "auroc_by_layer": tuple(auroc),
        "best_layer": best,
    }


def _strata(rows: ErrorRows, metrics: list[str], confidence: str) -> dict[str, dict[str, Stratified]]:
    """AUROC within the levels of each label that has at least two and not too many."""
    chosen = [LABEL_FREE + name for name in STRATIFIED]
    chosen = [name for name in chosen if name in metrics and (name not in CONFIDENCES or name == confidence)]
    found = {}
    for title, column in (("answer given", "answered"), ("question type", "question_type")):
        labels = rows.frame[column]
        if 1 < labels.nunique() <= 24:
            found[title] = {
                name: stratified_auroc(
                    sign(name) * rows.frame[name].to_numpy(dtype=np.float64),
                    rows.error,
                    rows.clusters,
                    labels,
                )
                for name in chosen
            }
    return found
