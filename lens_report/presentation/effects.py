"""`build_effects`: what interventions corrected and broke, as one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lens_report.measures.effects import Effect, effects
from lens_report.measures.runs import Paths, Problem, ReportError, load_runs
from lens_report.presentation.document.blocks import Document, Section, bullets, say
from lens_report.presentation.document.shown import words
from lens_report.presentation.findings.effects import effect_blocks, remarks
from lens_report.presentation.leaderboard.forms import Board, csv
from lens_report.presentation.leaderboard.rows import readable_task_runs

__all__ = ["EffectBoard", "build_effects"]


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
        problems = bullets([say("Not in this table: {message}", message=words(one.message)) for one in self.problems])
        blocks = (*problems, *effect_blocks(self.effects))
        return Document(f"Against {self.base}", (Section("Effects", blocks),))

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
    compared = [run for run in theirs if run.run.info.run_id not in known]
    if theirs and not compared:
        raise ReportError("The runs to compare are the base itself; give the base first, then other runs of its tasks.")
    try:
        found = effects(own, compared, tune_on)
    except ValueError as error:
        raise ReportError(str(error)) from error
    if not found:
        tasks = (", ".join(sorted({one.task for one in each})) or "none" for each in (own, compared))
        said = "No run is of a task of the base: the base has {}, the runs have {}. Give runs of the same tasks."
        raise ReportError(said.format(*tasks))
    return EffectBoard(", ".join(sorted({one.label for one in own})), tuple(found), tuple(problems), language)


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
        "remarks": "; ".join(remarks(one)),
    }  # fmt: skip
