"""Figures of an analysis. Every function returns a matplotlib `Figure`; nothing is shown or saved here but by `save`.

run = lens_results.load("runs/pope")
analysis = lens_report.analyse(run)[0]
lens_report.presentation.figures.forest(analysis.prediction)
"""

from __future__ import annotations

from lens_report.presentation.figures.captions import (
    ReportFigure,
    figures_over_tasks,
    main_figures,
    report_figures,
    step_figures,
)
from lens_report.presentation.figures.controls import controls_by_layer, pivot_by_layer
from lens_report.presentation.figures.decoders import decoder_differences, risk_coverage_curves
from lens_report.presentation.figures.emergence import emergence_curves, lost_and_corrected
from lens_report.presentation.figures.layers import accuracy_by_layer, log_odds_by_layer, uncertainty_by_layer
from lens_report.presentation.figures.picture import lift_by_layer, lift_over_tasks, own_and_null
from lens_report.presentation.figures.prediction import auroc_by_layer, by_stratum, forest
from lens_report.presentation.figures.question_types import accuracy_by_type, depth_by_type
from lens_report.presentation.figures.saving import save
from lens_report.presentation.figures.steps import causal_matrix, early_answers

__all__ = [
    "ReportFigure",
    "accuracy_by_layer",
    "accuracy_by_type",
    "auroc_by_layer",
    "by_stratum",
    "causal_matrix",
    "controls_by_layer",
    "decoder_differences",
    "depth_by_type",
    "early_answers",
    "emergence_curves",
    "figures_over_tasks",
    "forest",
    "lift_by_layer",
    "lift_over_tasks",
    "log_odds_by_layer",
    "lost_and_corrected",
    "main_figures",
    "own_and_null",
    "pivot_by_layer",
    "report_figures",
    "risk_coverage_curves",
    "save",
    "step_figures",
    "uncertainty_by_layer",
]
