"""`build_effects`: what interventions corrected and broke, as one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lens_report.measures.effects import Effect, effects
from lens_report.measures.runs import Paths, Problem, ReportError, load_runs
from lens_report.presentation.document.blocks import Document, Section, Sentence, Table, bullets, say
from lens_report.presentation.document.shown import Shown, count, decimal, interval, named, p_value, percent, words
from lens_report.presentation.leaderboard.forms import Board, csv
from lens_report.presentation.leaderboard.rows import readable_task_runs

__all__ = ["EffectBoard", "build_effects"]

LEVEL = 0.05
_COLUMNS = (
    "task", "run", "intervention", "samples", "base", "with it", "difference", "p (Holm)", "corrected", "broken",
    "recovers what was lost", "positions ×", "head products ×", "time ×", "remarks",
)  # fmt: skip


@dataclass(frozen=True)
class EffectBoard(Board):
    """Runs under interventions against a base.

    Attributes:
        base: Label of the base.
        effects: In order of the runs.
        problems: What could not be read.
        language: Of the written forms.
    """

    file_name: ClassVar[str] = "compare"
    base: str
    effects: tuple[Effect, ...]
    problems: tuple[Problem, ...] = ()
    language: str = "en"

    def document(self) -> Document:
        """What holds in words, and the table."""
        rows = tuple(_cells(one) for one in self.effects)
        said = [sentence for one in self.effects for sentence in _said(one)]
        problems = [say("Not in this table: {message}", message=words(one.message)) for one in self.problems]
        table = Table("effects", _COLUMNS, rows, (_note(len(rows)),))
        return Document(f"Against {self.base}", (Section("Effects", (*bullets([*said, *problems]), table)),))

    def to_csv(self) -> str:
        """One row an effect, with plain numbers."""
        return csv(_plain(one) for one in self.effects)


def build_effects(base: Paths, runs: Paths, *, tune_on: float | None = None, language: str = "en") -> EffectBoard:
    """Compare runs with a base, sample by sample.

    Args:
        base: Record files or folders of the run without interventions, one run a task.
        runs: Of the others.
        tune_on: See `lens_report.measures.effects.effects`.
        language: Of what is written, "en" or "ru"; the CSV is the same.

    Raises:
        ReportError: Nothing can be read, the base has a task twice, or no run is of a task of the base.
    """
    first, others = load_runs(base), load_runs(runs)
    problems = [*first.problems, *others.problems]
    own = [*readable_task_runs(first.runs, problems)]
    theirs = [*readable_task_runs(others.runs, problems)]
    known = {run.run.info.run_id for run in own}
    theirs = [run for run in theirs if run.run.info.run_id not in known]
    try:
        found = effects(own, theirs, tune_on)
    except ValueError as error:
        raise ReportError(str(error)) from error
    if not found:
        tasks = (", ".join(sorted({one.task for one in each})) or "none" for each in (own, theirs))
        raise ReportError("No run is of a task of the base: the base has {}, the runs have {}.".format(*tasks))
    return EffectBoard(", ".join(sorted({one.label for one in own})), tuple(found), tuple(problems), language)


def _cells(one: Effect) -> tuple[Shown, ...]:
    result = one.comparison.result
    return (
        named(one.comparison.task), named(one.comparison.second), words(one.changes or "none named"),
        count(result.difference.n), percent(result.mean_a), percent(result.mean_b),
        interval(result.difference, share=True), p_value(one.p_holm), count(result.b_higher), count(result.a_higher),
        interval(one.recovered, share=True), decimal(one.cost.positions, 2), decimal(one.cost.head_products, 2),
        decimal(one.cost.seconds, 2), words("; ".join(_remarks(one))),
    )  # fmt: skip


def _remarks(one: Effect) -> Iterator[str]:
    if one.chosen_among is not None:
        yield f"best of {one.chosen_among} on other samples"
    if one.comparison.differs:
        yield f"also differs in {', '.join(one.comparison.differs)}"
    if one.comparison.result.difference.note:
        yield one.comparison.result.difference.note


def _said(one: Effect) -> Iterator[Sentence]:
    result = one.comparison.result
    if one.p_holm is None or one.p_holm >= LEVEL or result.difference.value is None:
        return
    verb = "raises" if result.difference.value > 0 else "lowers"
    yield say(
        "{task}: {changes} {verb} the score by {difference} (percentage points, p {p} after Holm): {corrected} "
        "corrected, {broken} broken.",
        task=named(one.comparison.task), changes=named(one.changes or one.comparison.second), verb=words(verb),
        difference=interval(result.difference, share=True), p=p_value(one.p_holm),
        corrected=count(result.b_higher), broken=count(result.a_higher), headline=True,
    )  # fmt: skip


def _note(tried: int) -> Sentence:
    return say(
        "Paired by sample, clustered by picture; p is corrected for all {tried} comparisons of this table. Corrected: "
        "wrong in the base and right with it. Recovers what was lost: among the base's errors, the share corrected "
        "where the right answer led clearly in some layer and was lost, minus the share where it was not. Costs of an "
        "answer are multiples of the base's: positions through the decoder and residual vectors times the output "
        "embedding are counted and the same everywhere; time depends on the machine and on what else it did.",
        tried=count(tried),
    )


def _plain(one: Effect) -> dict[str, object]:
    result, comparison = one.comparison.result, one.comparison
    return {
        "task": comparison.task, "base": comparison.first, "run": comparison.second, "intervention": one.changes,
        "score": comparison.score, "n": result.difference.n, "n_clusters": result.difference.n_clusters,
        "mean_base": result.mean_a, "mean_run": result.mean_b, "difference": result.difference.value,
        "low": result.difference.low, "high": result.difference.high, "p": result.p_value, "p_holm": one.p_holm,
        "corrected": result.b_higher, "broken": result.a_higher, "recovered": one.recovered.value,
        "recovered_low": one.recovered.low, "recovered_high": one.recovered.high, "chosen_among": one.chosen_among,
        "positions_ratio": one.cost.positions, "head_products_ratio": one.cost.head_products,
        "seconds_ratio": one.cost.seconds, "memory_ratio": one.cost.memory,
        "remarks": "; ".join(_remarks(one)),
    }  # fmt: skip
