"""What was run, what could not be read, and how to read the rest."""

from __future__ import annotations

from lens_report.measures import Analysis
from lens_report.measures.runs import Problem
from lens_report.measures.task_run import labels_of, learnt_lens_of
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, paragraph, say
from lens_report.presentation.document.shown import (
    MISSING,
    Shown,
    count,
    decimal,
    interval,
    named,
    of_all,
    percent,
    scientific,
    words,
)
from lens_results import Run


def run_blocks(runs: tuple[Run, ...], problems: tuple[Problem, ...]) -> tuple[Block, ...]:
    """The runs as a table, what their numbers rest on, and what is missing."""
    columns = ("run", "model", "harness", "tasks", "samples", "layers read", "identity at load", "complete", "run id")
    rows = tuple(_run_row(run, label) for run, label in zip(runs, labels_of(runs), strict=True))
    return (
        Table("runs", columns, rows),
        *bullets([sentence for run in runs for sentence in _lens(run)]),
        *bullets([_problem(problem) for problem in problems]),
    )


def _run_row(run: Run, label: str) -> tuple[Shown, ...]:
    info = run.info
    index = info.lens.layer_index
    return (
        named(label),
        words(f"{info.model.model_class or info.model.name_or_path}, {_precision(run)}"),
        words(f"{info.harness.name} {info.harness.version}".strip() or "not recorded"),
        named(", ".join(run.tasks)),
        count(len(run)),
        words(f"{len(index)} of {info.model.n_layers}" if info.has_layers else MISSING),
        scientific(info.identity.load_deviation),
        words("finished" if run.complete else "no: the run was killed or is still going"),
        named(info.run_id),
    )


def _precision(run: Run) -> str:
    unknown = "dtype not recorded" if run.info.has_layers else "behind a server"
    return run.info.model.dtype or unknown


def _lens(run: Run) -> list[Sentence]:
    lens = run.info.lens
    limits = ", ".join(
        f"{name} = {value}" for name, value in sorted(run.info.limits.items()) if value and name != "batch_size"
    )
    thresholds = ", ".join(f"{name} = {value:g}" for name, value in lens.thresholds.items())
    if not run.info.has_layers:
        return [
            say(
                "Run {run} asked a server: candidates by {candidates}, position by {position}; limits of the run: "
                "{limits}.",
                run=named(run.info.run_id),
                candidates=words(lens.candidate_rule or "a rule that was not recorded"),
                position=words(lens.position_rule or "a rule that was not recorded"),
                limits=words(limits or "none"),
            )
        ]
    return [
        say(
            "Lens of run {run}: norm {norm}, scaling {scaling}, candidates by {candidates}, position by {position}, "
            "thresholds {thresholds}; limits of the run: {limits}.",
            run=named(run.info.run_id), norm=named(lens.norm), scaling=words(str(lens.scaling or "none")),
            candidates=words(lens.candidate_rule or "a rule that was not recorded"),
            position=words(lens.position_rule or "a rule that was not recorded"),
            thresholds=words(thresholds or "not recorded"), limits=words(limits or "none"),
        ),
        *_learnt(run),
    ]  # fmt: skip


def _learnt(run: Run) -> list[Sentence]:
    """With which other lens than the logit lens a run was read, and whether that may be believed."""
    lens = learnt_lens_of(run)
    if not lens:
        return []
    found = [
        say(
            "Layers of run {run} are read by the lens {name} ({digest}), learnt on: {data}.",
            run=named(run.info.run_id), name=named(str(lens["name"])), digest=named(str(lens.get("digest", "?"))),
            data=named(str(lens.get("trained_on", "?"))),
        )
    ]  # fmt: skip
    if lens.get("refused_claims"):
        found += [
            say(
                "Nothing may be claimed from the layers of run {run}: of its lens, {why}.",
                run=named(run.info.run_id), why=named(str(lens["refused_claims"])), headline=True,
            )
        ]  # fmt: skip
    return found


def _problem(problem: Problem) -> Sentence:
    return say("Not in this report: {message}", message=words(problem.message), headline=True)


def table_of_task_runs(analyses: list[Analysis]) -> Table:
    """Score and lens side by side, one row a task and run."""
    columns = (
        "task", "run", "score", "coverage", "format errors", "gold led for a while", "median stable layer",
        "lost, of wrong", "corrected, of right", "AUROC of final confidence",
    )  # fmt: skip
    return Table("overview", columns, tuple(_task_run_row(one) for one in analyses))


def _task_run_row(one: Analysis) -> tuple[Shown, ...]:
    found, ranking = one.emergence, one.prediction.ranking
    confidence = next(
        (p.association.auroc for p in ranking.predictors if p.column == one.prediction.confidence), None
    ) if ranking else None  # fmt: skip
    return (
        named(one.task_run.task),
        named(one.task_run.label),
        interval(one.scores.score, share=True),
        of_all(one.overview.coverage),
        interval(one.overview.format_errors, share=True),
        interval(found.first.emerged if found else None, share=True),
        interval(found.stable.median if found else None, 0),
        interval(found.lost.get("all") if found else None, share=True),
        interval(found.corrected.get("all") if found else None, share=True),
        interval(confidence),
    )


def definition() -> tuple[Block, ...]:
    """What a readout is, before any number."""
    return paragraph(
        say(
            "Each layer is read as if the model ended there: its state goes through the model's own final norm and "
            "output embedding (the logit lens). The last layer read so is the model's own output."
        )
    )


def reading_blocks() -> tuple[Block, ...]:
    """How to read the report."""
    return bullets(
        [
            say(
                "A logit lens is a projection of hidden states that were not trained for it. What it shows is "
                "correlational: the report says that something is associated with errors, never that it causes them."
            ),
            say(
                "Intervals are {level} intervals that take samples of the same image or pair as one observation. "
                "Intervals along layers hold at each layer by itself.",
                level=percent(0.95),
            ),
            say(
                "A metric is said to be associated with errors when its AUROC interval leaves out {chance} and its "
                "permutation test, within answers given and question types, stays below {level} after Holm's "
                "correction. It is said to add to final confidence when the interval of its gain lies above zero and "
                "its regression stays below {level} after the same correction. Everything else is not shown.",
                chance=decimal(0.5, 1), level=decimal(0.05, 2),
            ),
            say(
                "Metrics that look at the gold answer describe; they are never ranked as predictors of error. Metrics, "
                "thresholds and tests were listed before any data were seen; docs/metrics.md and docs/statistics.md "
                "define them."
            ),
            say(
                "An answer outside the candidates is a format error, not an answer error: a class of its own. A sample "
                "in which gold never led stays in the emergence curves as one in which it never did."
            ),
        ]
    )  # fmt: skip
