"""`build_leaderboard`: models × tasks as Markdown, CSV, LaTeX and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lens_report.measures import Draws, RunComparison, analyse_task_run, comparisons
from lens_report.measures.runs import Paths, Problem, load_runs
from lens_report.measures.task_run import TaskRun
from lens_report.measures.trust import Trust, trusted
from lens_report.presentation.document.blocks import Block, Document, Section, Sentence, Table, bullets, say
from lens_report.presentation.document.shown import Shown, count, decimal, words
from lens_report.presentation.findings.inputs import comparison_blocks
from lens_report.presentation.leaderboard.entries import (
    COLUMNS,
    FLAGGED,
    TRUST_COLUMNS,
    Entry,
    entry,
    published_entry,
)
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
        trust: The trust file, and the probability from which an answer is given; None without one.
    """

    entries: tuple[Entry, ...]
    comparisons: tuple[RunComparison, ...] = ()
    problems: tuple[Problem, ...] = ()
    language: str = "en"
    trust: tuple[Trust, float] | None = None

    def to_csv(self) -> str:
        """One row an entry with plain numbers: value, low and high of every estimate in columns of their own."""
        return csv(_plain(one) for one in self.entries)

    def _table(self) -> tuple[tuple[str, ...], tuple[tuple[Shown, ...], ...]]:
        """Columns and rows."""
        if self.trust is None:
            return COLUMNS, tuple(one.cells() for one in self.entries)
        return (*COLUMNS, *TRUST_COLUMNS), tuple((*one.cells(), *one.trust_cells()) for one in self.entries)

    def document(self) -> Document:
        """Table, notes and paired comparisons."""
        table = Table("leaderboard", *self._table(), (*_notes(), *_trust_notes(self.trust)))
        problems = [say("Not in this table: {message}", message=words(one.message)) for one in self.problems]
        compared = comparison_blocks(list(self.comparisons))
        blocks: tuple[Block, ...] = (table, *bullets(problems))
        pairwise = (Section("Runs compared on the same samples", compared),) if compared else ()
        return Document(TITLE, (Section("Leaderboard", blocks), *pairwise))


def build_leaderboard(
    paths: Paths,
    *,
    published: str | Path | bool = True,
    draws: Draws | None = None,
    trust: str | Path | None = None,
    abstain_below: float = 0.5,
    language: str = "en",
) -> Leaderboard:
    """Compare the runs in files and folders.

    Args:
        paths: Record files, or folders that are searched with what is below them.
        published: Whether published figures for the same tasks stand beside the runs; a path to use other ones than
            the bundled `published.yaml`.
        draws: Bootstrap draws and permutations; the defaults when None.
        trust: File of `mmlens fit-trust`: what abstaining below `abstain_below` leaves and costs is told of each run.
        abstain_below: Probability of being right from which an answer is given.
        language: Of what is written, "en" or "ru"; the CSV is the same.

    Returns:
        The table. Runs that are not comparable are flagged, never mixed silently.

    Raises:
        ReportError: There is no readable run, or the file of published figures or the trust file is not one.
    """
    by = None if trust is None else Trust.read(trust)
    loaded = load_runs(paths)
    problems = list(loaded.problems)
    ours: list[Entry] = []
    used: list[TaskRun] = []
    for task_run, marks in flagged([*readable_task_runs(loaded.runs, problems)]):
        try:
            found = None if by is None else trusted(task_run, by, abstain_below)
            ours.append(entry(analyse_task_run(task_run, draws), marks, found))
        except LensResultsError as error:
            problems.append(Problem(task_run.run.info.run_id, str(error)))
        else:
            used.append(task_run)
    path = None if isinstance(published, bool) else published
    theirs = [] if published is False else published_rows({one.task for one in used}, path)
    pairs = comparisons(used)
    entries = tuple(_sorted(ours, [published_entry(row) for row in theirs]))
    return Leaderboard(entries, tuple(pairs), tuple(problems), language, None if by is None else (by, abstain_below))


def _sorted(ours: Sequence[Entry], theirs: Sequence[Entry]) -> list[Entry]:
    """By task; runs by score, then the published figures for that task by score."""

    def score(one: Entry) -> float:
        value = one.score.value if isinstance(one.score, Estimate) else one.score
        return -1.0 if value is None else value

    found: list[Entry] = sorted(ours, key=lambda one: (one.task, -score(one)))
    return found + sorted(theirs, key=lambda one: (one.task, -score(one)))


def _trust_notes(trust: tuple[Trust, float] | None) -> tuple[Sentence, ...]:
    if trust is None:
        return ()
    file, below = trust
    return (
        say(
            "Given are the answers whose probability of being right is at least {below}; the others are the cost. The "
            "probability is that of the trust file {digest} (answers it was fitted on: {n}; their sets: {sets}). The "
            "area against confidence is that under the risk-coverage curve by this probability minus that by "
            "confidence: smaller is better.",
            below=decimal(below, 2), digest=words(file.digest), n=count(file.n), sets=count(len(file.fitted_on)),
        ),
    )  # fmt: skip


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
    if one.trusted is not None:
        for name in ("given", "right", "gain"):
            value = getattr(one.trusted, name)
            row[f"trust_{name}"] = None if value is None else value.value
    return row | {
        "best_lens_metric": one.best, "gain_p_holm": one.gain_p, "gain_shown": shown, "layers": one.layers,
        "run_id": one.run_id, "published": one.published, "flags": "; ".join(one.flags),
    }  # fmt: skip
