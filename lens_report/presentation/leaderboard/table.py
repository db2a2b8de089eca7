"""`build_leaderboard`: models × tasks as Markdown, CSV, LaTeX and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lens_report.measures import Draws, RunComparison, analyse_task_run, comparisons
from lens_report.measures.runs import Paths, Problem, load_runs
from lens_report.measures.task_run import TaskRun
from lens_report.presentation.document.blocks import Block, Document, Section, Sentence, Table, bullets, say
from lens_report.presentation.document.shown import words
from lens_report.presentation.findings.inputs import comparison_blocks
from lens_report.presentation.leaderboard.entries import COLUMNS, FLAGGED, Entry, entry, published_entry
from lens_report.presentation.leaderboard.forms import Board, csv
from lens_report.presentation.leaderboard.published import published_rows
from lens_report.presentation.leaderboard.rows import flagged, readable_task_runs
from lens_report.stats import Estimate
from lens_results import LensResultsError

TITLE = "Scores and where the answers appeared"
_NUMBERS = ("score", "confidence", "gain", "stable", "lost", "corrected", "format_errors", "coverage")


@dataclass(frozen=True)
class Leaderboard(Board):
    """A table of runs.

    Attributes:
        entries: Rows, by task, best score first, runs before published figures.
        comparisons: Pairs of runs on the samples that both have.
        problems: What could not be read and is left out.
        language: Of the written forms.
    """

    entries: tuple[Entry, ...]
    comparisons: tuple[RunComparison, ...] = ()
    problems: tuple[Problem, ...] = ()
    language: str = "en"

    def to_csv(self) -> str:
        """One row an entry with plain numbers: value, low and high of every estimate in columns of their own."""
        return csv(_plain(one) for one in self.entries)

    def document(self) -> Document:
        """Table, notes and paired comparisons."""
        table = Table("leaderboard", COLUMNS, tuple(one.cells() for one in self.entries), _notes())
        problems = [say("Not in this table: {message}", message=words(one.message)) for one in self.problems]
        compared = comparison_blocks(list(self.comparisons))
        blocks: tuple[Block, ...] = (table, *bullets(problems))
        pairwise = (Section("Runs compared on the same samples", compared),) if compared else ()
        return Document(TITLE, (Section("Leaderboard", blocks), *pairwise))


def build_leaderboard(
    paths: Paths, *, published: str | Path | bool = True, draws: Draws | None = None, language: str = "en"
) -> Leaderboard:
    """Compare the runs in files and folders.

    Args:
        paths: Record files, or folders that are searched with what is below them.
        published: Whether published figures for the same tasks stand beside the runs; a path to use other ones than
            the bundled `published.yaml`.
        draws: Bootstrap draws and permutations; the defaults when None.
        language: Of what is written, "en" or "ru"; the CSV is the same.

    Returns:
        The table. Runs that are not comparable are flagged, never mixed silently.

    Raises:
        ReportError: There is no readable run, or the file of published figures is not one.
    """
    loaded = load_runs(paths)
    problems = list(loaded.problems)
    ours: list[Entry] = []
    used: list[TaskRun] = []
    for task_run, marks in flagged([*readable_task_runs(loaded.runs, problems)]):
        try:
            ours.append(entry(analyse_task_run(task_run, draws), marks))
        except LensResultsError as error:
            problems.append(Problem(task_run.run.info.run_id, str(error)))
        else:
            used.append(task_run)
    path = None if isinstance(published, bool) else published
    theirs = [] if published is False else published_rows({one.task for one in used}, path)
    pairs = comparisons(used)
    entries = tuple(_sorted(ours, [published_entry(row) for row in theirs]))
    return Leaderboard(entries, tuple(pairs), tuple(problems), language)


def _sorted(ours: Sequence[Entry], theirs: Sequence[Entry]) -> list[Entry]:
    """By task; runs by score, then the published figures for that task by score."""

    def score(one: Entry) -> float:
        value = one.score.value if isinstance(one.score, Estimate) else one.score
        return -1.0 if value is None else value

    found: list[Entry] = sorted(ours, key=lambda one: (one.task, -score(one)))
    return found + sorted(theirs, key=lambda one: (one.task, -score(one)))


def _notes() -> tuple[Sentence, ...]:
    return (
        say(
            "Intervals are {level} intervals clustered by image. AUROC: how well low final confidence, or the metric "
            "on top of it, ranks errors. The best lens metric has the largest gain of the listed ones; the interval of "
            "its gain is not corrected for that choice, the p is. A star says that the interval lies above zero and "
            "the p below {alpha}; without it no gain was shown. A score with {dagger} must not be ranked against the "
            "others: its row is a published one or differs in what is named under comparability. "
            "Calibration error, Brier and the area are of the probability of the answer given, among the candidates "
            "where there are any.",
            level=words("95 %"), alpha=words("0.05"), dagger=words(FLAGGED),
        ),
    )  # fmt: skip


def _plain(one: Entry) -> dict[str, object]:
    """A row with plain numbers."""
    score = one.score if isinstance(one.score, Estimate) else None
    row: dict[str, object] = {"task": one.task, "model": one.model, "metric": one.metric}
    row |= {"n": score and score.n, "n_clusters": score and score.n_clusters}
    for name in _NUMBERS:
        value = getattr(one, name)
        ends = (value.value, value.low, value.high) if isinstance(value, Estimate) else (value, None, None)
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
    shown = one.gain_shown if one.gain is not None else None
    return row | {
        "best_lens_metric": one.best, "gain_p_holm": one.gain_p, "gain_shown": shown, "layers": one.layers,
        "run_id": one.run_id, "published": one.published, "flags": "; ".join(one.flags),
    }  # fmt: skip
