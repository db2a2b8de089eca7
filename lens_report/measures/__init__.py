"""From the records of a run to everything a report says about it, one task at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from lens_report.measures.abstention import Abstentions, abstentions
from lens_report.measures.before_after import KNOWN_PAIRS, BeforeAfter, LearntLayers, before_after
from lens_report.measures.calibration import Calibrations, calibrations
from lens_report.measures.comparison import RunComparison, compare, comparisons
from lens_report.measures.controls import Controls, controls
from lens_report.measures.curves import Curves, curves
from lens_report.measures.decoders import Decoders, decoders
from lens_report.measures.emergence import Emergence, emergence
from lens_report.measures.overview import Overview, Scores, overview, scores
from lens_report.measures.picture import Picture, picture
from lens_report.measures.pivot import Pivot, pivot
from lens_report.measures.prediction import PREREGISTERED, Draws, Prediction, prediction
from lens_report.measures.question_types import Order, QuestionType, QuestionTypes, question_types
from lens_report.measures.step_regions import StepRegions, step_regions
from lens_report.measures.steps import Steps, steps
from lens_report.measures.task_run import TaskRun, task_runs
from lens_report.measures.turns import Turns, turns
from lens_results import Run

__all__ = [
    "KNOWN_PAIRS",
    "PREREGISTERED",
    "Abstentions",
    "Analysis",
    "BeforeAfter",
    "Calibrations",
    "Controls",
    "Curves",
    "Decoders",
    "Draws",
    "Emergence",
    "LearntLayers",
    "Order",
    "Overview",
    "Picture",
    "Pivot",
    "Prediction",
    "QuestionType",
    "QuestionTypes",
    "RunComparison",
    "Scores",
    "Steps",
    "TaskRun",
    "Turns",
    "analyse",
    "analyse_task_run",
    "before_after",
    "compare",
    "comparisons",
    "curves",
    "emergence",
    "scores",
    "task_runs",
]


log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything about one task of one run; a part that the records do not allow is None.

    Attributes:
        task_run: The samples.
        overview: Counts, coverage, format errors, identity check.
        scores: Scores with intervals.
        curves: Means by layer.
        emergence: From which layer gold leads; None without gold.
        prediction: Errors against label-free metrics.
        controls: None when no control was run.
        pivot: None when the candidates have no English equivalents.
        question_types: Emergence by question type; None where there are not several types.
        decoders: What other decoders would have answered.
        abstentions: Giving up answers by how stable the layers are.
        calibrations: Whether the probabilities of the answers are what they say.
        picture: Where in the picture; None when no probe of it ran.
        steps: The steps that responses write before they answer; None when their probe did not run.
        step_regions: The same against the regions that they are about; None when that probe did not run.
        turns: By turn of a dialogue; None where the questions belong to none.
    """

    task_run: TaskRun
    overview: Overview
    scores: Scores
    curves: Curves
    emergence: Emergence | None
    prediction: Prediction
    controls: Controls | None
    pivot: Pivot | None
    question_types: QuestionTypes | None
    decoders: Decoders
    abstentions: Abstentions
    calibrations: Calibrations
    picture: Picture | None
    steps: Steps | None
    step_regions: StepRegions | None
    turns: Turns | None


def analyse(run: Run, tasks: Iterable[str] | None = None, *, draws: Draws | None = None) -> list[Analysis]:
    """Analyse the tasks of a run.

    Args:
        run: Of `lens_results.load`.
        tasks: Which tasks; all when None.
        draws: How much is drawn; the defaults when None.
    """
    wanted = set(run.tasks if tasks is None else tasks)
    return [analyse_task_run(one, draws) for one in task_runs(run) if one.task in wanted]


def analyse_task_run(task_run: TaskRun, draws: Draws | None = None) -> Analysis:
    """Analyse one task of one run."""
    log.info("%s of %s: statistics of %d samples", task_run.task, task_run.label, len(task_run.rows))
    amount = draws or Draws()
    emerged = emergence(task_run, seed=amount.seed)
    return Analysis(
        task_run,
        overview(task_run),
        scores(task_run),
        curves(task_run),
        emerged,
        prediction(task_run, amount),
        controls(task_run),
        pivot(task_run),
        question_types(task_run, emerged, n_draws=amount.bootstrap, seed=amount.seed),
        decoders(task_run, seed=amount.seed),
        abstentions(task_run),
        calibrations(task_run, seed=amount.seed),
        picture(task_run),
        steps(task_run),
        step_regions(task_run),
        turns(task_run, seed=amount.seed),
    )
