"""What changing a model's run did: runs under interventions against a run without, sample by sample."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lens_report.measures.columns import numbers
from lens_report.measures.comparison import SAMPLE_KEYS, RunComparison, compare
from lens_report.measures.cost import CostRatio, cost_ratio
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Clusters, Estimate, difference_of_means, holm

__all__ = ["Effect", "effects", "effects_among"]

_SHARES = 2**32
Pair = tuple[TaskRun, TaskRun, int | None]
"""Base, run, and among how many settings it was chosen."""


@dataclass(frozen=True)
class Effect:
    """One run against the base on one task.

    Attributes:
        changes: The interventions, in words; empty where the record names none.
        comparison: The run minus the base, paired by sample.
        p_holm: Its p-value, corrected for all runs and tasks of the comparison (Holm).
        recovered: Of the samples that the base has wrong: share corrected where the right answer led clearly in some
            layer and was lost, minus the share corrected where it was not; positive where the change brings back what
            the layers held.
        chosen_among: How many settings of these interventions it was chosen from, on other samples than these; None
            where nothing was chosen.
        cost: What an answer cost, in multiples of the base's.
    """

    changes: str
    comparison: RunComparison
    p_holm: float | None
    recovered: Estimate
    chosen_among: int | None = None
    cost: CostRatio = field(default_factory=CostRatio)


def effects(base: Sequence[TaskRun], runs: Sequence[TaskRun], tune_on: float | None = None) -> list[Effect]:
    """Each run against the base of its task.

    Args:
        base: One run a task.
        runs: Others of these tasks; those of other tasks are left out.
        tune_on: Share of the clusters (pictures) on which, task by task, the best setting of each kind of intervention
            is chosen; it is compared on the rest. None compares every run on all samples.

    Raises:
        ValueError: The base has a task twice, or `tune_on` is not between 0 and 1.
    """
    if tune_on is not None and not 0 < tune_on < 1:
        raise ValueError(f"tune_on={tune_on}; expected a share between 0 and 1")
    by_task = {one.task: one for one in base}
    if len(by_task) < len(base):
        raise ValueError("the base has several runs of one task; expected one")

    def tested(group: object) -> bool:
        return not _tunes(group, tune_on or 0.0)

    pairs = [(by_task[one.task], one, None) for one in runs if one.task in by_task]
    return _compared(pairs if tune_on is None else _best(pairs, tune_on), tested)


def effects_among(task_runs: Sequence[TaskRun]) -> list[Effect]:
    """Each run under interventions against the first plain run of the same model on its task; those with none are left.

    Args:
        task_runs: Of any models and tasks.
    """
    plain: dict[tuple[str, str], TaskRun] = {}
    for one in task_runs:
        if not one.changes:
            plain.setdefault((one.task, one.run.info.model.name_or_path), one)
    bases = [plain.get((one.task, one.run.info.model.name_or_path)) for one in task_runs]
    pairs = [(base, one, None) for base, one in zip(bases, task_runs, strict=True) if one.changes and base is not None]
    return _compared(pairs, lambda group: True)


def _compared(pairs: Sequence[Pair], tested: Callable[[object], bool]) -> list[Effect]:
    found = [
        Effect(
            run.changes,
            compare(start, run, groups=tested),
            None,
            _recovered(start, run, tested),
            among,
            cost_ratio(start, run),
        )
        for start, run, among in pairs
    ]
    corrected = holm({str(place): one.comparison.result.p_value for place, one in enumerate(found)})
    return [replace(one, p_holm=corrected[str(place)]) for place, one in enumerate(found)]


def _best(pairs: Iterable[Pair], tune_on: float) -> list[Pair]:
    """Of the runs of one task with interventions of the same names the one that does best on the samples to tune on."""
    kinds: dict[tuple[str, tuple[str, ...]], list[Pair]] = {}
    for pair in pairs:
        names = tuple(str(one[0]) for one in pair[1].interventions)
        kinds.setdefault((pair[1].task, names), []).append(pair)
    chosen: list[Pair] = []
    for same in kinds.values():
        means = [compare(one, two, groups=lambda group: _tunes(group, tune_on)).result.mean_b for one, two, _ in same]
        known = [-np.inf if mean is None else mean for mean in means]
        start, run, _ = same[int(np.argmax(known))]
        chosen.append((start, run, len(same)))
    return chosen


def _tunes(group: object, share: float) -> bool:
    """Whether a cluster is to tune on; it is the same in every run, whatever the order of the samples."""
    digest = hashlib.sha256(str(group).encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * _SHARES


def _recovered(base: TaskRun, run: TaskRun, groups: Callable[[object], bool]) -> Estimate:
    keys = list(SAMPLE_KEYS)
    column = "gold_based.correct_then_lost"
    lost = numbers(base.frame[column]) if column in base.frame else np.full(len(base.frame), np.nan)
    before = base.frame[[*keys, "group"]].assign(before=base.frame["verdict"], lost=lost)
    both = before.merge(run.frame[keys].assign(after=run.frame["verdict"]), on=keys)
    both = both[both["group"].map(groups).to_numpy(dtype=bool) & (both["before"] == 0).to_numpy(dtype=bool)]
    both = both[np.isfinite(both["lost"].to_numpy(dtype=np.float64))]
    held = both["lost"].to_numpy(dtype=np.float64) > 0
    return difference_of_means(both["after"].to_numpy(dtype=np.float64), held, Clusters.of(both["group"]))
