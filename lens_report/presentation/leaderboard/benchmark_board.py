"""`build_benchmark_board`: models × the data sets of a benchmark, with the lens beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lens_report.measures.data_sets import LENS_MEASURES, VERDICT_NAME, DataSetResult
from lens_report.measures.runs import Paths, Problem, ReportError, load_runs
from lens_report.presentation.document.blocks import Document, Section, Sentence, Table, bullets, say
from lens_report.presentation.document.shown import MISSING, Shown, count, decimal, interval, named, words
from lens_report.presentation.leaderboard.benchmark import (
    Benchmark,
    DataSet,
    Mean,
    ModelRow,
    model_rows,
    published_model_rows,
)
from lens_report.presentation.leaderboard.entries import FLAGGED
from lens_report.presentation.leaderboard.forms import Board, csv
from lens_report.presentation.leaderboard.published import published_rows
from lens_report.presentation.leaderboard.rows import readable_task_runs

BY_VERDICT = "‡"
"""Beside a score that is the record's verdict, because the harness stored no exact match."""

LENS_COLUMNS = {
    "coverage": "coverage",
    "commit_depth": "commit depth",
    "vocab_commit_depth": "commit depth, vocabulary",
    "final_prob": "final probability",
    "vocab_final_prob": "final probability, vocabulary",
}
_BY_DATA_SET = ("data set", "model", "documents", "EM", "metric", "answers that name an option", *LENS_COLUMNS.values(),
                "remarks")  # fmt: skip


@dataclass(frozen=True)
class BenchmarkBoard(Board):
    """A table of models in a benchmark's own shape.

    Attributes:
        benchmark: Its data sets.
        rows: Runs by total, highest first, then published figures.
        left_out: What is not in the table, and why.
        problems: What could not be read.
        language: Of the written forms.
    """

    benchmark: Benchmark
    rows: tuple[ModelRow, ...]
    left_out: tuple[Sentence, ...] = ()
    problems: tuple[Problem, ...] = ()
    language: str = "en"

    def document(self) -> Document:
        """The models' table, the same data set by data set, and what is not in them."""
        title = f"{self.benchmark.name}: scores and where the answers appeared"
        problems = [say("Not in this table: {message}", message=words(one.message)) for one in self.problems]
        blocks = (self._models(), self._by_data_set(), *bullets([*self.left_out, *problems]))
        return Document(title, (Section("Leaderboard", blocks),))

    def to_csv(self) -> str:
        """One row a model and data set, and one a model and mean, with plain numbers."""
        return csv(line for row in self.rows for line in self._plain(row))

    def _models(self) -> Table:
        names = [one.name for one in self.benchmark.data_sets()]
        columns = ("model", "total", *self.benchmark.parts, *names, *LENS_COLUMNS.values())
        return Table("models", columns, tuple(self._cells(row) for row in self.rows), (self.benchmark.note, *_notes()))

    def _cells(self, row: ModelRow) -> tuple[Shown, ...]:
        everything = tuple(self.benchmark.data_sets())
        means = [row.mean(part) for part in (everything, *self.benchmark.parts.values())]
        lens = [row.lens_mean(name, everything) for name in LENS_COLUMNS]
        name = f"{row.model} ({row.source})" if row.source else row.model
        return (
            words(name),
            *(_mean(one, share=True) for one in means),
            *(_score(row, one) for one in everything),
            *(_mean(one, share=name == "coverage") for name, one in zip(LENS_COLUMNS, lens, strict=True)),
        )

    def _by_data_set(self) -> Table:
        rows = [
            _details(row, one, row.results[one.name])
            for one in self.benchmark.data_sets()
            for row in self.rows
            if one.name in row.results
        ]
        return Table("data_sets", _BY_DATA_SET, tuple(rows))

    def _plain(self, row: ModelRow) -> Iterator[dict[str, object]]:
        for part, data_sets in (("total", tuple(self.benchmark.data_sets())), *self.benchmark.parts.items()):
            mean = row.mean(data_sets)
            yield _line(row, part, "", mean.value, data_sets=mean.n, partial="yes" if mean.partial else "")
        for part, data_sets in self.benchmark.parts.items():
            for one in data_sets:
                found = row.results.get(one.name)
                if found is not None:
                    yield _line(row, part, one.name, found.score.value, **_numbers(row, one, found))
                elif one.name in row.scores:
                    yield _line(row, part, one.name, row.scores[one.name], metric="exact match")


def build_benchmark_board(
    paths: Paths, benchmark: Benchmark, *, published: str | Path | bool = True, language: str = "en"
) -> BenchmarkBoard:
    """The runs in files and folders as rows of a benchmark's own table.

    Args:
        paths: Record files, or folders that are searched with what is below them.
        benchmark: Its data sets.
        published: Whether published exact matches of its data sets stand below the runs; a path to use other ones.
        language: Of what is written, "en" or "ru"; the CSV is the same.

    Raises:
        ReportError: There is no readable run, or none of a task of the benchmark.
    """
    loaded = load_runs(paths)
    problems = list(loaded.problems)
    found = [*readable_task_runs(loaded.runs, problems)]
    rows, replaced = model_rows(benchmark, found)
    if not rows:
        ran = ", ".join(sorted({one.task for one in found})) or "none"
        known = ", ".join(names[0] for one in benchmark.data_sets() for names in one.tasks)
        raise ReportError(
            f"No run of a task of {benchmark.name}: found {ran}; expected {known}. A task of another name is given its "
            "data set with --task-file TASK=FILE."
        )
    others = sorted({one.task for one in found if all(each.place(one.task) is None for each in benchmark.data_sets())})
    left_out = [
        say(
            "{task} of {model} in run {old} is left out: run {new} is a later one.",
            task=named(old.task), model=named(old.label), old=named(old.run.info.run_id),
            new=named(new.run.info.run_id),
        )
        for old, new in replaced
    ]  # fmt: skip
    if others:
        left_out.append(say("Tasks of other benchmarks are left out: {tasks}.", tasks=named(", ".join(others))))
    path = None if isinstance(published, bool) else published
    tasks = {run.task for row in rows for result in row.results.values() for run in result.task_runs}
    theirs = [] if published is False else published_model_rows(benchmark, published_rows(tasks, path))
    return BenchmarkBoard(benchmark, (*rows, *theirs), tuple(left_out), tuple(problems), language)


def _score(row: ModelRow, data_set: DataSet) -> Shown:
    """A cell of the models' table, in per cent."""
    if data_set.name in row.scores:
        value = row.scores[data_set.name]
        return Shown(value, f"{decimal(100 * value, 1).text} {FLAGGED}")
    found = row.results.get(data_set.name)
    if found is None or found.score.value is None:
        return words(MISSING)
    marks = FLAGGED if found.partial or row.flags.get(data_set.name) else ""
    marks += BY_VERDICT if found.metric == VERDICT_NAME else ""
    return Shown(found.score.value, f"{decimal(100 * found.score.value, 1).text} {marks}".rstrip())


def _mean(mean: Mean, *, share: bool) -> Shown:
    """`48.3 (7/11)`; a share in per cent."""
    if mean.value is None:
        return words(MISSING)
    value = decimal(100 * mean.value, 1) if share else decimal(mean.value, 2)
    return Shown(mean.value, f"{value.text} ({mean.n}/{mean.of}) {FLAGGED if mean.partial else ''}".rstrip())


def _details(row: ModelRow, data_set: DataSet, found: DataSetResult) -> tuple[Shown, ...]:
    lens = [interval(found.lens.get(name), 2) for name in LENS_MEASURES]
    remarks = [*found.partial, *row.flags.get(data_set.name, ()), *_why_none(found)]
    return (
        named(data_set.name), words(row.model), count(found.n), interval(found.score, share=True),
        words(found.metric if found.score.value is not None else MISSING), interval(found.named, share=True),
        interval(found.coverage, share=True), *lens, words("; ".join(remarks)),
    )  # fmt: skip


def _why_none(found: DataSetResult) -> Iterator[str]:
    if not found.n_gold:
        yield "no right answers in the documents"
    elif found.score.value is None:
        yield "no exact match stored"
    elif found.n_gold < found.n:
        yield f"{found.n - found.n_gold} documents without a right answer"


def _numbers(row: ModelRow, data_set: DataSet, found: DataSetResult) -> dict[str, object]:
    lens = {name: estimate.value for name, estimate in found.lens.items()}
    return {
        "low": found.score.low, "high": found.score.high, "n": found.score.n, "n_clusters": found.score.n_clusters,
        "metric": found.metric if found.score.value is not None else "", "documents": found.n,
        "named": found.named and found.named.value, "coverage": found.coverage.value, **lens,
        "partial": "; ".join(found.partial), "flags": "; ".join(row.flags.get(data_set.name, ())),
        "run_ids": " ".join(dict.fromkeys(one.run.info.run_id for one in found.task_runs)),
    }  # fmt: skip


def _line(row: ModelRow, part: str, data_set: str, score: float | None, **known: object) -> dict[str, object]:
    """A line of the CSV; all lines have all columns."""
    columns = (
        "low", "high", "n", "n_clusters", "metric", "data_sets", "documents", "named", "coverage", *LENS_MEASURES,
        "partial", "flags", "run_ids",
    )  # fmt: skip
    start = {"model": row.model, "part": part, "data_set": data_set, "score": score}
    return start | {name: known.get(name) for name in columns} | {"published": row.source}


def _notes() -> tuple[Sentence, ...]:
    return (
        say(
            "Scores are in per cent. A mean counts every data set that has a value once, and stands with their number. "
            "{missing}: not run, or without right answers (the table below says which). {dagger}: not all documents, "
            "a published figure, or not comparable with the other rows for what is named below. {verdict}: whether the "
            "answer names the right option, because no exact match was stored. The columns of the lens need no right "
            "answers; coverage is the share of answers whose layers (behind a server: log-probabilities) were read, "
            "and depth goes from the first layer to the last, among the options or, of open answers, in the whole "
            "vocabulary.",
            missing=words(MISSING), dagger=words(FLAGGED), verdict=words(BY_VERDICT),
        ),
    )  # fmt: skip
