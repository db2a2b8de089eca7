"""Statistics of lens records: what may be claimed about where answers appear and whether that tells of errors.

The protocol and the reasons for it stand in docs/statistics.md. Functions take arrays with one
row a sample and return frozen results that say why a number is missing; nothing here knows of records, files or
figures.

- `associate`, `delta_auroc`, `logistic_increment`, `stratified_auroc`: how well a score ranks errors, and what it adds
- `permutation_null`, `max_t`, `random_walk_null`, `holm`: nulls and multiplicity
- `auroc_by_layer`, `held_out_best_layer`, `layer_curve`, `emergence`: statements about layers
- `score_interval`, `paired`, `ratio_of_means`: scores, and differences and ratios of two values of the same rows;
  `paired_difference`: of two AUROCs
- `risk_coverage`: what abstaining by a score leaves of the errors
- `above_chance`, `depth_difference`, `precedence`: which kind of answer arises at which depth, and in what order
- `power`, `design_effect`: whether a set is large enough
"""

from __future__ import annotations

from lens_report.stats.above_chance import AboveChance, Leaders, above_chance, depth_difference
from lens_report.stats.association import Association, associate
from lens_report.stats.auroc import Stratified, auroc_by_layer, paired_difference, stratified_auroc
from lens_report.stats.best_layer import BestLayer, held_out_best_layer
from lens_report.stats.calibration import Calibration, calibration
from lens_report.stats.clusters import Clusters, bootstrap
from lens_report.stats.emergence import EmergenceCurve, Precedence, emergence, precedence
from lens_report.stats.gain import Gain, delta_auroc
from lens_report.stats.group_means import difference_of_means
from lens_report.stats.increment import Increment, logistic_increment
from lens_report.stats.means import LayerCurve, layer_curve, score_interval
from lens_report.stats.pairs import Comparison, paired
from lens_report.stats.permutation import NullTest, holm, max_t, permutation_null
from lens_report.stats.power import Power, design_effect, power
from lens_report.stats.previous import AfterWrong, after_wrong, previous_of
from lens_report.stats.random_walk import RandomWalk, path_metrics, random_walk_null
from lens_report.stats.ratio import ratio_of_means
from lens_report.stats.results import Estimate
from lens_report.stats.risk_coverage import RiskCoverage, risk_coverage

__all__ = [
    "AboveChance",
    "AfterWrong",
    "Association",
    "BestLayer",
    "Calibration",
    "Clusters",
    "Comparison",
    "EmergenceCurve",
    "Estimate",
    "Gain",
    "Increment",
    "LayerCurve",
    "Leaders",
    "NullTest",
    "Power",
    "Precedence",
    "RandomWalk",
    "RiskCoverage",
    "Stratified",
    "above_chance",
    "after_wrong",
    "associate",
    "auroc_by_layer",
    "bootstrap",
    "calibration",
    "delta_auroc",
    "depth_difference",
    "design_effect",
    "difference_of_means",
    "emergence",
    "held_out_best_layer",
    "holm",
    "layer_curve",
    "logistic_increment",
    "max_t",
    "paired",
    "paired_difference",
    "path_metrics",
    "permutation_null",
    "power",
    "precedence",
    "previous_of",
    "random_walk_null",
    "ratio_of_means",
    "risk_coverage",
    "score_interval",
    "stratified_auroc",
]
