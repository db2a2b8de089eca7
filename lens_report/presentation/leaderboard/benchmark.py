"""A benchmark's own shape: which data sets it has, in which parts, and one model's row of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lens_report.measures.data_sets import DataSetResult, data_set_result, model_key
from lens_report.measures.task_run import TaskRun, model_label
from lens_report.presentation.document.blocks import Sentence
from lens_report.presentation.leaderboard.published import Published
from lens_report.presentation.leaderboard.rows import flagged
from lens_results import Run

_Own = dict[str, dict[int, TaskRun]]
"""The runs of one model: data set -> place among its tasks -> run."""


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes:
        name: Heading of its column.
        tasks: Its tasks, each by the names that it may have in a harness, in lower case.
        metrics: Names of the harness's metric that is its score.
    """

    name: str
    tasks: tuple[tuple[str, ...], ...]
    metrics: tuple[str, ...]

    def place(self, task: str) -> int | None:
        """Which of its tasks a task is; None for a task of another data set."""
        return next((place for place, names in enumerate(self.tasks) if task.lower() in names), None)


@dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Attributes:
        name: Its name.
        parts: Name of a part (a modality) -> its data sets, both in the benchmark's order.
        note: What its scores are, and what they are not.
    """

    name: str
    parts: Mapping[str, tuple[DataSet, ...]]
    note: Sentence

    def data_sets(self) -> Iterator[DataSet]:
        """All data sets in order."""
        for part in self.parts.values():
            yield from part


@dataclass(frozen=True)
class Mean:
    """Plain mean over the data sets of a part that have a value; each of them counts once.

    Attributes:
        value: None when none of them has one.
        n: Data sets with a value.
        of: Data sets of the part.
        partial: Whether not all documents of one of them are in it.
    """

    value: float | None
    n: int
    of: int
    partial: bool = False


@dataclass(frozen=True)
class ModelRow:
    """A model's results.

    Attributes:
        model: Its label.
        results: Data set -> result, of those that were run.
        scores: Data set -> published score; empty for a run.
        source: Where these are published; empty for a run.
        flags: Data set -> why its score must not be ranked against the others.
    """

    model: str
    results: Mapping[str, DataSetResult] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def mean(self, data_sets: Sequence[DataSet]) -> Mean:
        """Mean of the scores that were measured here; published ones are of other data sets in each source."""
        found = [self.results[one.name] for one in data_sets if one.name in self.results]
        scored = [(one, one.score.value) for one in found if one.score.value is not None]
        partial = any(one.partial for one, _ in scored)
        return _mean([value for _, value in scored], len(data_sets), partial)

    def lens_mean(self, name: str, data_sets: Sequence[DataSet]) -> Mean:
        """The same of `coverage` or of a label-free scalar."""
        found = [self.results[one.name] for one in data_sets if one.name in self.results]
        estimates = [one.coverage if name == "coverage" else one.lens.get(name) for one in found]
        values = [one.value for one in estimates if one is not None and one.value is not None]
        return _mean(values, len(data_sets), any(one.partial for one in found))


def model_rows(benchmark: Benchmark, found: Sequence[TaskRun]) -> tuple[list[ModelRow], list[tuple[TaskRun, TaskRun]]]:
    """One row a model from its runs; of several runs of a task the latest counts, as in a submission.

    Args:
        benchmark: Which tasks count; those of other benchmarks are passed over.
        found: Task runs, oldest first.

    Returns:
        The rows, highest total first, and the task runs that are left out, each with the later one in its place.
    """
    models: dict[str, _Own] = {}
    replaced = []
    for task_run in found:
        for data_set in benchmark.data_sets():
            place = data_set.place(task_run.task)
            if place is not None:
                own = models.setdefault(model_key(task_run), {}).setdefault(data_set.name, {})
                replaced += [(own[place], task_run)] if place in own else []
                own[place] = task_run
    kept = [run for own in models.values() for places in own.values() for run in places.values()]
    marks = dict(flagged(kept))
    names = _labels(list(models.values()))
    rows = [_row(benchmark, name, own, marks) for name, own in zip(names, models.values(), strict=True)]
    everything = tuple(benchmark.data_sets())
    rows.sort(key=lambda row: (-(row.mean(everything).value or 0.0), row.model))
    return rows, replaced


def published_model_rows(benchmark: Benchmark, rows: Sequence[Published]) -> list[ModelRow]:
    """Published exact matches as rows, one a model and source."""
    names = {one.name for one in benchmark.data_sets()}
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row.task in names and row.measure == "exact match":
            found.setdefault((row.model, row.source), {})[row.task] = row.score
    return [ModelRow(model, scores=scores, source=source) for (model, source), scores in found.items()]


def _row(benchmark: Benchmark, name: str, own: _Own, marks: Mapping[TaskRun, tuple[str, ...]]) -> ModelRow:
    results, flags = {}, {}
    for data_set in benchmark.data_sets():
        if data_set.name in own:
            runs = [own[data_set.name][place] for place in sorted(own[data_set.name])]
            results[data_set.name] = data_set_result(runs, len(data_set.tasks), data_set.metrics)
            flags[data_set.name] = tuple(dict.fromkeys(mark for one in runs for mark in marks[one]))
    return ModelRow(name, results, flags=flags)


def _labels(models: Sequence[_Own]) -> list[str]:
    """The models' names, with the id of the latest run where two of them have the same."""
    latest = [max((run.run for places in own.values() for run in places.values()), key=_run_id) for own in models]
    names = [model_label(run) for run in latest]
    return [
        name if names.count(name) == 1 else f"{name} ({_run_id(run)})" for name, run in zip(names, latest, strict=True)
    ]


def _run_id(run: Run) -> str:
    return run.info.run_id


def _mean(values: Sequence[float], of: int, partial: bool) -> Mean:
    return Mean(sum(values) / len(values) if values else None, len(values), of, partial)
