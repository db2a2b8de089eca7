"""Two runs of the same task, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from lens_report.comparability import differing, gold_answers
from lens_report.stats import Comparison, compare_runs
from lens_report.subject import Subject


@dataclass(frozen=True)
class RunComparison:
    """Run B minus run A on the samples of a task that both have.

    Attributes:
        task: The task.
        first: Label of run A.
        second: Label of run B.
        score: Name of the score that was compared: the main score where both runs have it, else the verdict.
        result: The paired, clustered comparison.
        differs: In what else than the model the two runs differ, see `lens_report.comparability`.
        relabelled: Samples that both have with different gold answers; they are left out.
    """

    task: str
    first: str
    second: str
    score: str
    result: Comparison
    differs: tuple[str, ...] = ()
    relabelled: int = 0


def comparisons(subjects: list[Subject], most: int = 8) -> list[RunComparison]:
    """All pairs of runs on each task, at most `most` runs a task."""
    by_task: dict[str, list[Subject]] = {}
    for subject in subjects:
        by_task.setdefault(subject.task, []).append(subject)
    return [compare(a, b) for same in by_task.values() for a, b in combinations(same[:most], 2)]


def compare(a: Subject, b: Subject) -> RunComparison:
    """Compare two runs of one task on the samples that both have, with the same gold answers.

    Raises:
        ValueError: They are runs of different tasks.
    """
    if a.task != b.task:
        raise ValueError(f"found tasks {a.task!r} and {b.task!r}, expected two runs of one task")
    name = a.score.name if a.score.name == b.score.name else "lens verdict"
    golds = gold_answers(a), gold_answers(b)
    relabelled = {key for key in golds[0].keys() & golds[1].keys() if golds[0][key] != golds[1][key]}
    values = []
    for one in (a, b):
        frame = one.frame.assign(compared=one.score.values if name == one.score.name else one.frame["verdict"])
        keys = zip(frame["doc_id"], frame["request_idx"], frame["repeat"], strict=True)
        values.append(frame[[key not in relabelled for key in keys]])
    result = compare_runs(values[0], values[1], value="compared", cluster="group")
    return RunComparison(a.task, a.label, b.label, name, result, differing(a, b), len(relabelled))
