"""Two runs of the same task, sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from lens_report.measures.columns import numbers
from lens_report.measures.comparability import differing, gold_answers
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Comparison, paired

SAMPLE_KEYS = ("task", "doc_id", "request_idx", "repeat")
_COMPUTED = ("quantisation", "dtype", "attention", "processor", "generation_config", "arguments", "versions")


@dataclass(frozen=True)
class OneCheckpoint:
    """Two runs of one checkpoint: the digests of its files, or its name and commit, are equal, and so is its adapter.

    Attributes:
        first: What ran it in run A: "transformers" or "vLLM", with the version where it is known.
        second: The same of run B.
        parts: Parts of the fingerprint (docs/fingerprint.md) in which the two differ and which can change a number.
        equal: Shared samples whose answers are the same text.
        n: Shared samples.
    """

    first: str
    second: str
    parts: tuple[str, ...]
    equal: int
    n: int


@dataclass(frozen=True)
class RunComparison:
    """Run B minus run A on the samples of a task that both have.

    Attributes:
        task: The task.
        first: Label of run A.
        second: Label of run B.
        score: Name of the score that was compared: the main score where both runs have it, else the verdict.
        result: The paired, clustered comparison.
        differs: In what else than the model the two runs differ, see `lens_report.measures.comparability`.
        relabelled: Samples that both have with different gold answers; they are left out.
        one_checkpoint: Where both ran the same checkpoint, how; None where they did not, or that is not known.
    """

    task: str
    first: str
    second: str
    score: str
    result: Comparison
    differs: tuple[str, ...] = ()
    relabelled: int = 0
    one_checkpoint: OneCheckpoint | None = None


def comparisons(task_runs: list[TaskRun], most: int = 8) -> list[RunComparison]:
    """All pairs of runs on each task, at most `most` runs a task."""
    by_task: dict[str, list[TaskRun]] = {}
    for task_run in task_runs:
        by_task.setdefault(task_run.task, []).append(task_run)
    return [compare(a, b) for same in by_task.values() for a, b in combinations(same[:most], 2)]


def compare(a: TaskRun, b: TaskRun, *, groups: Callable[[object], bool] | None = None) -> RunComparison:
    """Compare two runs of one task on the samples that both have, with the same gold answers.

    Args:
        a: Run A.
        b: Run B.
        groups: Which clusters count, by their labels; None for all.

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
        kept = np.asarray([key not in relabelled for key in keys], dtype=bool)
        if groups is not None:
            kept &= frame["group"].map(groups).to_numpy(dtype=bool)
        values.append(frame[kept])
    result = compare_runs(values[0], values[1], value="compared", cluster="group")
    return RunComparison(
        a.task, a.label, b.label, name, result, differing(a, b), len(relabelled), _one_checkpoint(a, b)
    )


def _one_checkpoint(a: TaskRun, b: TaskRun) -> OneCheckpoint | None:
    one, other = (run.run.info.fingerprint for run in (a, b))
    known = one.get("checkpoint")
    # a name on the hub without a commit may have been other files the next day
    if not known or known != other.get("checkpoint") or ("commit" in known and known["commit"] is None):
        return None
    if one.get("adapter") != other.get("adapter"):
        return None
    parts = tuple(name for name in _COMPUTED if one.get(name) != other.get(name))
    keys = list(SAMPLE_KEYS)
    both = a.frame[[*keys, "response"]].merge(b.frame[[*keys, "response"]], on=keys)
    equal = int((both["response_x"] == both["response_y"]).sum())
    return OneCheckpoint(_backend(a), _backend(b), parts, equal, len(both))


def _backend(run: TaskRun) -> str:
    found = run.run.info
    package, name = ("vllm", "vLLM") if found.fingerprint.get("attention") == "vllm" else ("transformers",) * 2
    return f"{name} {found.versions.get(package, '')}".rstrip()


def compare_runs(
    a: pd.DataFrame,
    b: pd.DataFrame,
    *,
    value: str = "correct",
    cluster: str = "cluster",
    keys: Sequence[str] = SAMPLE_KEYS,
) -> Comparison:
    """Compare a column of two runs on the samples that both have, cluster by cluster.

    Args:
        a: One row a sample.
        b: The other run.
        value: Column to compare: ``correct``, a ``score.*`` or a ``label_free.*``.
        cluster: Column of clusters, taken from run A.
        keys: Columns that identify a sample.

    Returns:
        The difference with a cluster-robust interval and test. Samples of one run only are counted and left out.

    Raises:
        ValueError: A run holds a sample twice.
    """
    both = _joined(a, b, value, cluster, list(keys))
    return paired(both["a"].to_numpy(dtype=np.float64), both["b"].to_numpy(dtype=np.float64), both["cluster"])


def _joined(a: pd.DataFrame, b: pd.DataFrame, value: str, cluster: str, keys: list[str]) -> pd.DataFrame:
    for name, frame in (("first", a), ("second", b)):
        repeated = int(frame.duplicated(subset=keys).sum())
        if repeated:
            raise ValueError(f"the {name} run holds {repeated} samples twice by {', '.join(keys)}")
    left = a[keys].assign(a=numbers(a[value]), cluster=a[cluster])
    right = b[keys].assign(b=numbers(b[value]))
    return left.merge(right, on=keys, how="outer")
