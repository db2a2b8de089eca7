"""May two runs of one task be compared? What differs between them is named.

What is asked is the part of the fingerprint (docs/fingerprint.md) that belongs to the task: what was asked, shown,
allowed and counted as right. The model's own part is what a comparison is about.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from lens_report.measures.task_run import TaskRun

ASPECTS = (
    "prompt",
    "questions",
    "images",
    "videos",
    "sounds",
    "generation",
    "limit",
    "samples",
    "labels",
    "task",
    "lens",
    "score",
)
PUBLISHED = "published: other prompts, scorer and answer extraction"

NOTHING = ""
"""Of an aspect that a run has not: the lens of a run without layers. It differs from nothing."""
Values = Mapping[Any, Any]


def flags(task_runs: Sequence[TaskRun]) -> list[tuple[str, ...]]:
    """For each run of one task the aspects in which it differs from what most of the runs have."""
    prints = task_prints(task_runs)
    known = {aspect: [one[aspect] for one in prints if one[aspect] != NOTHING] for aspect in ASPECTS}
    usual = {aspect: Counter(values).most_common(1)[0][0] if values else NOTHING for aspect, values in known.items()}
    tied = {aspect for aspect, values in known.items() if _tied(values)}
    return [
        tuple(
            f"{aspect} differs"
            for aspect in ASPECTS
            if one[aspect] != NOTHING and (one[aspect] != usual[aspect] or aspect in tied)
        )
        for one in prints
    ]


def differing(a: TaskRun, b: TaskRun) -> tuple[str, ...]:
    """The aspects in which two runs of one task differ."""
    one, other = task_prints([a, b])
    return tuple(
        aspect for aspect in ASPECTS if one[aspect] != other[aspect] and NOTHING not in (one[aspect], other[aspect])
    )


def task_prints(task_runs: Sequence[TaskRun]) -> list[dict[str, str]]:
    """For each run of one task: aspect -> what it was in this run; equal texts mean the same.

    `prompt`: the harness's prompt settings of the task, not the model's own chat template. `samples`: which documents.
    `questions`, `images`, `videos` (frames and their times), `sounds`, `labels` (gold answers, and candidates of
    answers that were read) and `task` (its version and scoring) are the same where they are so for every sample that
    both runs have and know them of. `lens`: norm, candidates, position, thresholds, whether all layers were read.
    `score`: the metric that stands for the task.
    """
    alike: dict[str, list[int]] = {
        "questions": _groups(task_runs, lambda one: _by_sample(one.frame, "question")),
        "images": _groups(task_runs, lambda one: _by_sample(one.frame, "image_sha256")),
        "videos": _groups(task_runs, lambda one: _digests(one, "videos")),
        "sounds": _groups(task_runs, lambda one: _digests(one, "sounds")),
        "task": _groups(task_runs, lambda one: _by_sample(one.frame, "fingerprint.task")),
        "gold": _groups(task_runs, gold_answers),
        "candidates": _groups(task_runs, lambda one: _by_sample(one.frame[one.closed_rows], "candidates")),
    }
    found = []
    for place, task_run in enumerate(task_runs):
        of_samples = {name: str(numbers[place]) for name, numbers in alike.items()}
        labels = f"{of_samples.pop('gold')}, candidates {of_samples.pop('candidates')}"
        found.append({**_of_run(task_run), **of_samples, "labels": labels})
    return found


def gold_answers(task_run: TaskRun) -> Values:
    """Sample -> its gold answers in this run."""
    return _by_sample(task_run.frame, "gold")


def _digests(task_run: TaskRun, column: str) -> Values:
    """Sample -> digests of its `videos`, of the frames and their times, or of its `sounds`; older files have none."""
    given = _by_sample(task_run.frame, column)
    return {key: tuple(medium["sha256"] for medium in own) for key, own in given.items() if len(own)}


def _of_run(task_run: TaskRun) -> dict[str, str]:
    info, frame = task_run.run.info, task_run.frame
    lens = info.lens
    keys = frame[["doc_id", "request_idx", "repeat"]].to_numpy().tolist()
    return {
        "prompt": _short(_of_task(info.prompt, task_run.task)),
        "generation": _short(_of_task(info.generation, task_run.task)),
        "limit": _short({name: info.limits.get(name) for name in ("limit", "offset") if info.limits.get(name)}),
        "samples": f"{len(frame)} ({_digest(keys)})",
        "lens": NOTHING
        if not info.has_layers
        else _short(
            {
                "norm": lens.norm,
                "candidates": lens.candidate_rule,
                "position": lens.position_rule,
                "thresholds": dict(lens.thresholds),
                "layers": "all" if len(lens.layer_index) >= task_run.n_layers else list(lens.layer_index),
            }
        ),
        "score": task_run.score.name,
    }


def _by_sample(frame: pd.DataFrame, column: str) -> Values:
    """Sample -> value, where there is one."""
    if column not in frame:
        return {}
    keys = zip(frame["doc_id"], frame["request_idx"], frame["repeat"], strict=True)
    return {key: value for key, value in zip(keys, frame[column], strict=True) if value is not None}


def _groups(task_runs: Sequence[TaskRun], values: Callable[[TaskRun], Values]) -> list[int]:
    """For each run the number of the first group of runs that has the same values wherever both have some.

    A sample whose answer could not be read has no candidates in the record, one of an older file no fingerprint.
    """
    groups: list[dict[Any, Any]] = []
    found = []
    for task_run in task_runs:
        own = values(task_run)
        place = next((i for i, group in enumerate(groups) if _agree(group, own)), len(groups))
        if place == len(groups):
            groups.append({})
        groups[place].update(own)
        found.append(place)
    return found


def _agree(one: Values, other: Values) -> bool:
    return all(one[key] == other[key] for key in one.keys() & other.keys())


def _tied(values: Sequence[str]) -> bool:
    """Whether no value is more frequent than all others: then nobody is the exception, and all rows are marked."""
    counts = Counter(values).most_common(2)
    return len(counts) == 2 and counts[0][1] == counts[1][1]


def _of_task(settings: Mapping[str, Any], task: str) -> Any:
    """Settings with the parts of other tasks left out: {name: {task: value}} or {task: value}."""
    if task in settings:
        return settings[task]
    return {
        name: value[task] if isinstance(value, Mapping) and task in value else value
        for name, value in settings.items()
        if name != "chat_template"
    }


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _digest(value: Any) -> str:
    return hashlib.sha256(_short(value).encode()).hexdigest()[:12]
