"""From the records of a run to everything a report says about it, one task at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lens_report.analysis.comparison import RunComparison, compare, comparisons
from lens_report.analysis.concepts import Concept, Concepts, Order, concepts
from lens_report.analysis.controls import Controls, controls
from lens_report.analysis.curves import Curves, curves
from lens_report.analysis.emergence import Emergence, emergence
from lens_report.analysis.overview import Overview, overview
from lens_report.analysis.pivot import Pivot, pivot
from lens_report.analysis.prediction import PREREGISTERED, Draws, Prediction, prediction
from lens_report.analysis.scores import Scores, scores
from lens_report.decoders import Abstentions, Decoders, abstentions, decoders
from lens_report.subject import Subject, subjects
from lens_results import Run

__all__ = [
    "PREREGISTERED",
    "Abstentions",
    "Analysis",
    "Concept",
    "Concepts",
    "Controls",
    "Curves",
    "Decoders",
    "Draws",
    "Emergence",
    "Order",
    "Overview",
    "Pivot",
    "Prediction",
    "RunComparison",
    "Scores",
    "analyse",
    "analyse_subject",
    "compare",
    "comparisons",
]


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything about one task of one run; a part that the records do not allow is None.

    Attributes:
        subject: The samples.
        overview: Counts, coverage, format errors, identity check.
        scores: Scores with intervals.
        curves: Means by layer.
        emergence: Survival curves; None without gold.
        prediction: Errors against label-free metrics.
        controls: None when no control was run.
        pivot: None when the candidates have no English equivalents.
        concepts: Emergence by question type; None where there are not several types.
        decoders: What other decoders would have answered.
        abstentions: Giving up answers when the layers are unsettled.
    """

    subject: Subject
    overview: Overview
    scores: Scores
    curves: Curves
    emergence: Emergence | None
    prediction: Prediction
    controls: Controls | None
    pivot: Pivot | None
    concepts: Concepts | None
    decoders: Decoders
    abstentions: Abstentions


def analyse(run: Run, tasks: Iterable[str] | None = None, *, draws: Draws | None = None) -> list[Analysis]:
    """Analyse the tasks of a run.

    Args:
        run: Of `lens_results.load`.
        tasks: Which tasks; all when None.
        draws: How much is drawn; the defaults when None.
    """
    wanted = set(run.tasks if tasks is None else tasks)
    return [analyse_subject(one, draws) for one in subjects(run) if one.task in wanted]


def analyse_subject(subject: Subject, draws: Draws | None = None) -> Analysis:
    """Analyse one task of one run."""
    amount = draws or Draws()
    emerged = emergence(subject, seed=amount.seed)
    return Analysis(
        subject,
        overview(subject),
        scores(subject),
        curves(subject),
        emerged,
        prediction(subject, amount),
        controls(subject),
        pivot(subject),
        concepts(subject, emerged, n_draws=amount.bootstrap, seed=amount.seed),
        decoders(subject, seed=amount.seed),
        abstentions(subject),
    )
