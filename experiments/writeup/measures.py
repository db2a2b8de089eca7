"""The quantity behind each hypothesis, in one task of one run: an estimate with its two-sided p-value."""

from __future__ import annotations

import numpy as np
from statsmodels.api import OLS, add_constant

from experiments.writeup.claims import Tested
from experiments.writeup.material import DRAWS
from lens_report import Analysis
from lens_report.measures.candidates import answer_log_odds, cand_scores, indices
from lens_report.measures.columns import strata_labels
from lens_report.measures.error_rows import error_rows
from lens_report.measures.predictors import LABEL_FREE, STRATA, sign
from lens_report.stats import AboveChance, Estimate, paired, permutation_null
from lens_report.stats.results import MIN_CLUSTERS, two_sided_p

PERMUTATIONS = 5_000
"""So many that a p-value can stay below the level after correction for all hypotheses."""


def visual_gain(analysis: Analysis, control: str) -> Tested | None:
    """Mean visual gain at the last layer, nats; None where the control was not read."""
    task_run = analysis.task_run
    if control not in task_run.run.controls:
        return None
    own, other = cand_scores(task_run), cand_scores(task_run, control)
    if own is None or other is None:
        return None
    answer = indices(task_run, "pred_candidate")
    first, second = (answer_log_odds(scores, answer)[:, -1] for scores in (other, own))
    result = paired(first, second, task_run.clusters)
    return (result.difference, result.p_value) if np.isfinite(first - second).any() else None


def decoder_gain(analysis: Analysis, decoder: str) -> Tested | None:
    """Accuracy of a decoder minus that of the final layer."""
    results = {one.name: one.result for one in analysis.decoders.outcomes}
    result = results.get(decoder)
    return None if result is None else (result.difference, result.p_value)


def confidence_auroc(analysis: Analysis) -> Tested | None:
    """AUROC of the final confidence for errors minus one half, with the p of a permutation within strata."""
    found = analysis.prediction
    ranked = found.ranking.predictors if found.ranking else ()
    base = next((one for one in ranked if one.column == found.confidence), None)
    if base is None or base.association.auroc.value is None:
        return None
    rows, auroc = error_rows(analysis.task_run), base.association.auroc
    null = permutation_null(
        sign(base.column) * rows.frame[base.column].to_numpy(dtype=np.float64),
        rows.error,
        rows.clusters,
        strata=strata_labels(rows.frame, STRATA),
        n_permutations=PERMUTATIONS,
        seed=DRAWS.seed,
    )
    value, low, high = (None if end is None else end - 0.5 for end in (auroc.value, auroc.low, auroc.high))
    return Estimate(value, low, high, auroc.n, auroc.n_clusters, auroc.n_errors, note=auroc.note), null.p_value


def gain_over_confidence(analysis: Analysis, metric: str) -> Tested | None:
    """Cross-fitted AUROC with a metric on top of final confidence minus that of final confidence alone."""
    for one in analysis.prediction.ranking.predictors if analysis.prediction.ranking else ():
        if one.column == LABEL_FREE + metric and one.gain is not None:
            return one.gain.delta, one.increment.p_wald if one.increment else None
    return None


def lost_minus_corrected(analysis: Analysis) -> Tested | None:
    """Share of wrong answers whose right one had led minus share of right ones that a wrong one had led.

    Least squares with errors clustered by image; None without answers of both kinds.
    """
    frame = analysis.task_run.frame
    names = [f"gold_based.{name}" for name in ("correct_then_lost", "wrong_then_corrected")]
    if any(name not in frame for name in names):
        return None
    verdict = frame["verdict"].to_numpy(dtype=np.float64)
    lost, corrected = (frame[name].to_numpy(dtype=np.float64) for name in names)
    event = np.where(verdict == 0, lost, corrected)
    rows = np.isfinite(event) & np.isin(verdict, (0.0, 1.0))
    wrong = (verdict[rows] == 0).astype(np.float64)
    groups = analysis.task_run.clusters.at(rows)
    if not 0 < wrong.sum() < wrong.size or groups.n_present() < MIN_CLUSTERS:
        return None
    fit = OLS(event[rows], add_constant(wrong)).fit(cov_type="cluster", cov_kwds={"groups": groups.codes}, use_t=True)
    low, high = (float(end) for end in fit.conf_int()[1])
    estimate = Estimate(float(fit.params[1]), low, high, int(rows.sum()), groups.n_present(), int(wrong.sum()))
    return estimate, float(fit.pvalues[1])


def from_the_middle(one: AboveChance, n_layers: int) -> Tested | None:
    """Half-way depth minus half of the layers; None without a half-way depth with an interval."""
    half = one.halfway
    if half.value is None or half.low is None or half.high is None:
        return None
    middle = n_layers / 2
    shifted = Estimate(half.value - middle, half.low - middle, half.high - middle, half.n, half.n_clusters)
    return shifted, two_sided_p(one.draws[np.isfinite(one.draws)], middle)
