"""Which figures an analysis has, with a title and what a reader sees in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from lens_report.measures import Analysis, Curves, Emergence, Scores, TaskRun, curves, emergence, scores
from lens_report.measures.picture.contrasts import DROP, LIFT
from lens_report.measures.step_regions import StepRegions
from lens_report.measures.steps import Steps
from lens_report.presentation.figures.calibration import reliability
from lens_report.presentation.figures.controls import controls_by_layer, pivot_by_layer
from lens_report.presentation.figures.decoders import decoder_differences, risk_coverage_curves
from lens_report.presentation.figures.emergence import emergence_curves, lost_and_corrected
from lens_report.presentation.figures.layers import accuracy_by_layer, log_odds_by_layer, uncertainty_by_layer
from lens_report.presentation.figures.picture import lift_by_layer, lift_over_tasks, own_and_null
from lens_report.presentation.figures.prediction import auroc_by_layer, by_stratum, forest
from lens_report.presentation.figures.question_types import accuracy_by_type, depth_by_type
from lens_report.presentation.figures.steps import causal_matrix, early_answers


@dataclass(frozen=True)
class ReportFigure:
    """A figure of a report.

    Attributes:
        name: Part of the file name.
        caption: What is seen; holds no number.
        draw: Makes the figure.
    """

    name: str
    caption: str
    draw: Callable[[], Figure]


def report_figures(analysis: Analysis) -> Iterator[ReportFigure]:
    """The figures that the records of an analysis allow, in the order of the report."""
    yield from _layer_figures(analysis.task_run, analysis.curves, analysis.scores)
    yield from _emergence_figures(analysis.task_run, analysis.emergence)
    yield from _concept_figures(analysis)
    yield from _prediction_figures(analysis)
    yield from _decoder_figures(analysis)
    if analysis.calibrations.by:
        yield ReportFigure(
            "reliability",
            "Share of right answers by the probability of the answer given, in bins of equal mass; on the line the "
            "probability is what it says.",
            lambda: reliability(analysis.calibrations),
        )
    yield from step_figures(analysis.steps, analysis.step_regions)
    yield from _picture_figures(analysis)
    controls, pivot = analysis.controls, analysis.pivot
    if controls is not None:
        yield ReportFigure(
            "controls",
            "The answer given by layer with its own image and with each control image, and the difference by verdict.",
            lambda: controls_by_layer(controls, analysis.task_run.n_layers),
        )
    if pivot is not None:
        yield ReportFigure(
            "english",
            "English equivalent of the answer against the answer in the task's own language, by layer.",
            lambda: pivot_by_layer(pivot, analysis.task_run.n_layers),
        )


def main_figures(task_run: TaskRun) -> Iterator[ReportFigure]:
    """Those of them that need no resampling: what the layers say, and from which layer on the right answer leads."""
    yield from _layer_figures(task_run, curves(task_run), scores(task_run))
    yield from _emergence_figures(task_run, emergence(task_run))


def step_figures(steps: Steps | None, regions: StepRegions | None) -> Iterator[ReportFigure]:
    """What the written steps of a task did, and what depends on the regions that they are about."""
    if steps is not None and steps.early:
        yield ReportFigure(
            "early_answers",
            "Share right where the answer is forced, by how many steps stand before it, for responses with each "
            "number of steps.",
            lambda: early_answers(steps),
        )
    if regions is not None and np.isfinite(regions.matrix).any():
        yield ReportFigure(
            "causal_matrix",
            "Mean drop of log p of each step's result without the boxes of each step; empty cells were not measured.",
            lambda: causal_matrix(regions),
        )


def figures_over_tasks(analyses: Sequence[Analysis]) -> Iterator[ReportFigure]:
    """Figures that put the tasks and runs of a report side by side; none for one of them."""
    parts = [
        (f"{one.task_run.task}: {one.task_run.label}", one.task_run.n_layers, one.picture.by_layer)
        for one in analyses
        if one.picture is not None and one.picture.by_layer
    ]
    if len(parts) > 1:
        yield ReportFigure(
            "lift_over_tasks",
            "Lift of each kind of map in the boxes of what is asked about beside that of its null, by layer, for "
            "each task and run.",
            lambda: lift_over_tasks(parts),
        )


def _picture_figures(analysis: Analysis) -> Iterator[ReportFigure]:
    found = analysis.picture
    if found is None:
        return
    if found.by_layer:
        yield ReportFigure(
            "lift_by_layer",
            "Lift of each kind of map in the boxes of what is asked about beside that of its null, by layer.",
            lambda: lift_by_layer(found.by_layer, analysis.task_run.n_layers),
        )
    if any(one.measure in (LIFT, DROP) for one in found.contrasts):
        yield ReportFigure(
            "own_and_null",
            "Lift by verdict beside that of the null, and drops of the answer's log-odds without the image tokens of "
            "each mask, beside those without random ones and without those of the null.",
            lambda: own_and_null(found),
        )


def _layer_figures(task_run: TaskRun, found: Curves, scored: Scores) -> Iterator[ReportFigure]:
    if found.accuracy:
        yield ReportFigure(
            "accuracy",
            "Share of samples in which the right answer leads at each layer, and the probability of all candidates.",
            lambda: accuracy_by_layer(found, task_run.n_layers, scored),
        )
    if found.log_odds or found.margin:
        what = "Log-odds of the positive answer, by right answer" if found.log_odds else "Margin of the answer given"
        yield ReportFigure("log_odds", f"{what} and verdict.", lambda: log_odds_by_layer(found, task_run.n_layers))
    if found.entropy:
        yield ReportFigure(
            "uncertainty",
            "Entropy, distance to the last layer and rank of the answer given, by verdict.",
            lambda: uncertainty_by_layer(found, task_run.n_layers),
        )


def _emergence_figures(task_run: TaskRun, found: Emergence | None) -> Iterator[ReportFigure]:
    if found is None:
        return
    yield ReportFigure(
        "emergence",
        "Share of samples in which the right answer has led by each layer, for a while or for good, and what "
        "shuffled gold answers give.",
        lambda: emergence_curves(found, task_run.n_layers),
    )
    if found.lost or found.corrected:
        yield ReportFigure(
            "lost_and_corrected",
            "Wrong answers in which the right one had led clearly, beside right answers in which a wrong one had.",
            lambda: lost_and_corrected(found),
        )


def _prediction_figures(analysis: Analysis) -> Iterator[ReportFigure]:
    prediction = analysis.prediction
    if prediction.ranking is None:
        return
    yield ReportFigure(
        "forest",
        "How well each label-free metric ranks errors, alone and on top of final confidence, with nulls on the same "
        "axis.",
        lambda: forest(prediction),
    )
    if any(test.observed is not None for test in prediction.by_layer):
        yield ReportFigure(
            "auroc_by_layer",
            "The margin of the answer given as a predictor of error when it is read at each layer.",
            lambda: auroc_by_layer(prediction, analysis.task_run.n_layers),
        )
    if prediction.strata:
        yield ReportFigure(
            "strata",
            "The same within each answer given and each question type.",
            lambda: by_stratum(prediction),
        )


def _concept_figures(analysis: Analysis) -> Iterator[ReportFigure]:
    found = analysis.question_types
    if found is not None:
        yield ReportFigure(
            "accuracy_by_type",
            "Share of samples in which the right answer leads at each layer, by question type, beside chance.",
            lambda: accuracy_by_type(found, analysis.task_run.n_layers),
        )
        yield ReportFigure(
            "depth_by_type",
            "Depth at which each question type becomes readable, by three measures.",
            lambda: depth_by_type(found, analysis.task_run.n_layers),
        )


def _decoder_figures(analysis: Analysis) -> Iterator[ReportFigure]:
    decoders, abstentions = analysis.decoders, analysis.abstentions
    if any(one.result is not None for one in decoders.outcomes):
        yield ReportFigure(
            "decoders",
            "Accuracy of other decoders minus that of the final layer, with the answers they fix and break.",
            lambda: decoder_differences(decoders),
        )
    if abstentions.scores and abstentions.n:
        yield ReportFigure(
            "risk_coverage",
            "Share of errors among the answers that are kept, when answers are given up by each score.",
            lambda: risk_coverage_curves(abstentions),
        )
