"""Statistics of lens records: what may be claimed about where answers appear and whether that tells of errors.

The protocol and the reasons for it stand in docs/statistics.md. Functions take arrays or data frames with one row a
sample and return frozen results that say why a number is missing; nothing here reads files or draws figures.

- `rank_predictors`: the whole protocol for label-free metrics as predictors of error
- `associate`, `delta_auroc`, `logistic_increment`, `stratified_auroc`: its parts
- `permutation_null`, `max_t`, `random_walk_null`, `holm`: nulls and multiplicity
- `auroc_by_layer`, `held_out_best_layer`, `layer_curve`, `emergence`: statements about layers
- `score_interval`, `compare_runs`, `paired`: scores of one run and differences of two, or within one
- `risk_coverage`: what abstaining by a score leaves of the errors
- `above_chance`, `depth_difference`, `precedence`: which kind of answer arises at which depth, and in what order
- `scored_rows`, `without_repetitions`, `strata_labels`: which rows may be used
- `power`, `design_effect`: whether a set is large enough
"""

from __future__ import annotations

from lens_report.stats.above_chance import AboveChance, Leaders, above_chance, depth_difference
from lens_report.stats.association import Association, associate
from lens_report.stats.auroc import Stratified, auroc_by_layer, stratified_auroc
from lens_report.stats.best_layer import BestLayer, held_out_best_layer
from lens_report.stats.clusters import Clusters, bootstrap
from lens_report.stats.emergence import EmergenceCurve, Precedence, emergence, precedence
from lens_report.stats.gain import Gain, delta_auroc
from lens_report.stats.increment import Increment, logistic_increment
from lens_report.stats.means import LayerCurve, layer_curve, score_interval
from lens_report.stats.naming import NotAPredictorError, require_predictors
from lens_report.stats.pairs import Comparison, compare_runs, paired
from lens_report.stats.permutation import NullTest, holm, max_t, permutation_null
from lens_report.stats.power import Power, design_effect, power
from lens_report.stats.predictors import Columns, Predictor, Ranking, rank_predictors
from lens_report.stats.random_walk import RandomWalk, path_metrics, random_walk_null
from lens_report.stats.results import Estimate
from lens_report.stats.risk_coverage import RiskCoverage, risk_coverage
from lens_report.stats.rows import Deduplicated, Selection, numbers, scored_rows, strata_labels, without_repetitions

__all__ = [
    "AboveChance",
    "Association",
    "BestLayer",
    "Clusters",
    "Columns",
    "Comparison",
    "Deduplicated",
    "EmergenceCurve",
    "Estimate",
    "Gain",
    "Increment",
    "LayerCurve",
    "Leaders",
    "NotAPredictorError",
    "NullTest",
    "Power",
    "Precedence",
    "Predictor",
    "RandomWalk",
    "Ranking",
    "RiskCoverage",
    "Selection",
    "Stratified",
    "above_chance",
    "associate",
    "auroc_by_layer",
    "bootstrap",
    "compare_runs",
    "delta_auroc",
    "depth_difference",
    "design_effect",
    "emergence",
    "held_out_best_layer",
    "holm",
    "layer_curve",
    "logistic_increment",
    "max_t",
    "numbers",
    "paired",
    "path_metrics",
    "permutation_null",
    "power",
    "precedence",
    "random_walk_null",
    "rank_predictors",
    "require_predictors",
    "risk_coverage",
    "score_interval",
    "scored_rows",
    "strata_labels",
    "stratified_auroc",
    "without_repetitions",
]
