"""Rows of a leaderboard: one a task and run, and the published figures beside them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lens_report.measures import Analysis
from lens_report.measures.abstention import KEPT
from lens_report.measures.comparability import PUBLISHED
from lens_report.measures.predictors import Predictor
from lens_report.measures.trust import Trusted
from lens_report.presentation.document.shown import (
    MISSING,
    Shown,
    count,
    decimal,
    interval,
    named,
    of_all,
    p_value,
    percent,
    words,
)
from lens_report.presentation.findings.rules import adds, short
from lens_report.presentation.leaderboard.published import Published
from lens_report.stats import Estimate

COLUMNS = (
    "task", "model", "score", "score metric", "samples", "confidence AUROC", "best lens metric", "gain over confidence",
    "gain p (Holm)", "calibration error", "Brier", "area under risk-coverage", "right of 80 % given",
    "median stable depth", "lost, of wrong", "corrected, of right", "format errors", "coverage",
    "layers", "comparability",
)  # fmt: skip

TRUST_COLUMNS = ("given", "right of those", "area against confidence")
"""Further columns of a table made with a trust file."""

FLAGGED = "†"
"""Beside the score of a row that must not be ranked against the others; the last column says why."""


@dataclass(frozen=True)
class Entry:
    """One row.

    Attributes:
        task: Task, or the benchmark of a published row.
        model: Label of the run, or the published model.
        metric: Name of the score.
        score: Mean with clustered interval.
        beside: Further scores, where the task shares its samples out among several metrics.
        published: Source of a published row; empty for a run.
        flags: What makes the row not comparable with the others of its task.
        run_id: Of a run.
        confidence: AUROC of error of the final confidence.
        best: The pre-registered lens metric with the largest gain over final confidence.
        gain: That gain.
        gain_p: p of its regression, corrected for all listed metrics.
        gain_shown: Whether interval and corrected p both allow the claim that it adds.
        calibration: Debiased root mean square calibration error of the answer's probability among the candidates, or in
            the vocabulary on open tasks.
        brier: Its Brier score.
        aurc: Area under the risk-coverage curve when the least probable answers are given up first.
        selective: Accuracy of the 80 % most probable answers.
        stable: Median depth (layer / layers) from which gold leads to the end.
        lost: Of the wrong answers, correct then lost.
        corrected: Of the right answers, wrong then corrected.
        format_errors: Share of answers outside the candidates.
        coverage: Share read out.
        layers: Decoder blocks of the model.
        trusted: What a trust file makes of it; None without one.
    """

    task: str
    model: str
    metric: str
    score: Estimate | float | None
    published: str = ""
    flags: tuple[str, ...] = ()
    run_id: str = ""
    confidence: Estimate | None = None
    best: str = ""
    gain: Estimate | None = None
    gain_p: float | None = None
    gain_shown: bool = False
    calibration: Estimate | None = None
    brier: Estimate | None = None
    aurc: Estimate | None = None
    selective: Estimate | None = None
    stable: Estimate | None = None
    lost: Estimate | None = None
    corrected: Estimate | None = None
    format_errors: Estimate | None = None
    coverage: Estimate | None = None
    layers: int | None = None
    trusted: Trusted | None = None
    extra: dict[str, float] = field(default_factory=dict)
    beside: dict[str, Estimate] = field(default_factory=dict)

    def cells(self) -> tuple[Shown, ...]:
        """The row as shown, in the order of `COLUMNS`."""
        score = self.score
        whole = interval(score, share=True) if isinstance(score, Estimate) else percent(score)
        samples = count(score.n) if isinstance(score, Estimate) else words(MISSING)
        others = "".join(f"; {name} {interval(one, share=True).text}" for name, one in self.beside.items())
        judge = f" (judge {self.extra['judge']:.2f})" if "judge" in self.extra else ""
        metric = words(self.metric + judge + others)
        marks = [f"{PUBLISHED} ({self.published})"] if self.published else list(self.flags)
        whole = replace(whole, text=f"{whole.text} {FLAGGED}") if marks else whole
        return (
            named(self.task), words(self.model), whole, metric, samples, interval(self.confidence),
            words(self.best + ("*" if self.gain_shown else "") or MISSING), interval(self.gain), p_value(self.gain_p),
            interval(self.calibration), interval(self.brier), interval(self.aurc), interval(self.selective, share=True),
            interval(self.stable, 2), interval(self.lost, share=True), interval(self.corrected, share=True),
            interval(self.format_errors, share=True), of_all(self.coverage),
            decimal(self.layers, 0), words("; ".join(marks) or "ok"),
        )  # fmt: skip

    def trust_cells(self) -> tuple[Shown, ...]:
        """The further columns, in the order of `TRUST_COLUMNS`."""
        found = self.trusted
        if found is None or found.why_none:
            return words(MISSING if found is None else found.why_none), words(MISSING), words(MISSING)
        return interval(found.given, share=True), interval(found.right, share=True), interval(found.gain)


def entry(analysis: Analysis, flags: tuple[str, ...], by_trust: Trusted | None = None) -> Entry:
    """The row of one task of one run."""
    found, prediction, task_run = analysis.emergence, analysis.prediction, analysis.task_run
    ranked = prediction.ranking.predictors if prediction.ranking else ()
    confidence = next((one for one in ranked if one.column == prediction.confidence), None)
    best = best_metric(ranked, prediction.confidence)
    trusted = analysis.calibrations.main
    return Entry(
        task=task_run.task,
        model=task_run.label,
        metric=analysis.scores.main,
        score=analysis.scores.score,
        flags=flags if task_run.run.complete else (*flags, "run not complete"),
        run_id=task_run.run.info.run_id,
        confidence=confidence.association.auroc if confidence else None,
        best=short(best) if best else "",
        gain=best.gain.delta if best and best.gain else None,
        gain_p=best.p_increment_holm if best else None,
        gain_shown=best is not None and adds(best),
        calibration=trusted.error if trusted else None,
        brier=trusted.brier if trusted else None,
        aurc=trusted.aurc if trusted else None,
        selective=trusted.selective[KEPT] if trusted else None,
        stable=_depth(found.stable.median, task_run.n_layers) if found else None,
        lost=found.lost.get("all") if found else None,
        corrected=found.corrected.get("all") if found else None,
        format_errors=analysis.overview.format_errors,
        coverage=analysis.overview.coverage,
        layers=task_run.run.info.model.n_layers,
        trusted=by_trust,
        beside={name: analysis.scores.by_name[name] for name in analysis.scores.beside},
    )


def _depth(layer: Estimate, n_layers: int) -> Estimate:
    """A layer as relative depth, so that models of different size can stand in one column."""
    value, low, high = (None if end is None else end / n_layers for end in (layer.value, layer.low, layer.high))
    return replace(layer, value=value, low=low, high=high)


def best_metric(ranked: tuple[Predictor, ...], confidence: str | None) -> Predictor | None:
    """The listed label-free metric with the largest gain; one that adds by the rules goes first. None without gains."""
    known = [
        one
        for one in ranked
        if one.column != confidence
        and one.column.startswith("label_free.")
        and one.gain is not None
        and one.gain.delta.value is not None
    ]
    return max(known, key=lambda one: (adds(one), one.gain.delta.value if one.gain else None), default=None)


def published_entry(row: Published) -> Entry:
    """The row of a published figure."""
    extra = {} if row.judge is None else {"judge": row.judge}
    return Entry(row.task, row.model, row.measure, row.score, published=row.source, flags=(PUBLISHED,), extra=extra)
