"""May two rows of a table be compared? What differs between runs of one task is named in the table."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lens_report.subject import Subject

ASPECTS = ("prompt", "generation", "limit", "samples", "labels", "lens", "score")
PUBLISHED = "published: other prompts, scorer and answer extraction"


def fingerprint(subject: Subject) -> dict[str, str]:
    """Aspect -> what it was in this run; equal texts mean the same.

    `prompt`: the harness's prompt settings of the task, not the model's own chat template. `samples`: which documents.
    `labels`: their gold answers; `flags` adds the candidates, which are known of answers that were read. `lens`: norm,
    candidates, position, thresholds, whether all layers were read. `score`: the metric that stands for the task.
    """
    info, frame = subject.run.info, subject.frame
    lens = info.lens
    keys = frame[["doc_id", "request_idx", "repeat"]].to_numpy().tolist()
    return {
        "prompt": _short(_of_task(info.prompt, subject.task)),
        "generation": _short(_of_task(info.generation, subject.task)),
        "limit": _short({name: info.limits.get(name) for name in ("limit", "offset") if info.limits.get(name)}),
        "samples": f"{len(frame)} ({_digest(keys)})",
        "labels": _digest([*zip(keys, frame["gold"], strict=True)]),
        "lens": _short(
            {
                "norm": lens.norm,
                "candidates": lens.candidate_rule,
                "position": lens.position_rule,
                "thresholds": dict(lens.thresholds),
                "layers": "all" if len(lens.layer_index) >= info.model.n_layers else list(lens.layer_index),
            }
        ),
        "score": subject.score.name,
    }


def flags(subjects: Sequence[Subject]) -> list[tuple[str, ...]]:
    """For each run of one task the aspects in which it differs from what most of the runs have."""
    prints = [fingerprint(subject) for subject in subjects]
    for one, group in zip(prints, candidate_groups(subjects), strict=True):
        one["labels"] += f", candidates {group}"
    usual = {aspect: Counter(one[aspect] for one in prints).most_common(1)[0][0] for aspect in ASPECTS}
    tied = {aspect for aspect in ASPECTS if _tied([one[aspect] for one in prints])}
    return [
        tuple(f"{aspect} differs" for aspect in ASPECTS if one[aspect] != usual[aspect] or (aspect in tied))
        for one in prints
    ]


def candidate_groups(subjects: Sequence[Subject]) -> list[int]:
    """For each run the number of the first group of runs that it shares its candidates with.

    A sample whose answer could not be read has no candidates in the record, and on open tasks they are the answer
    given; so runs share their candidates when these are the same wherever both have some that were known beforehand.
    """
    groups: list[dict[Any, Any]] = []
    found = []
    for subject in subjects:
        frame, closed = subject.frame, subject.closed_rows
        keys = zip(frame["doc_id"], frame["request_idx"], frame["repeat"], strict=True)
        own = {key: names for key, names, known in zip(keys, frame["candidates"], closed, strict=True) if known}
        place = next((i for i, group in enumerate(groups) if _agree(group, own)), len(groups))
        if place == len(groups):
            groups.append({})
        groups[place].update(own)
        found.append(place)
    return found


def _agree(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
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
