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
    `labels`: their gold answers and candidates. `lens`: norm, candidates, position, thresholds, whether all layers were
    read. `score`: the metric that stands for the task.
    """
    info, frame = subject.run.info, subject.frame
    lens = info.lens
    keys = frame[["doc_id", "request_idx", "repeat"]].to_numpy().tolist()
    pairs = [*zip(keys, frame["gold"], frame["candidates"], strict=True)]
    return {
        "prompt": _short(_of_task(info.prompt, subject.task)),
        "generation": _short(_of_task(info.generation, subject.task)),
        "limit": _short({name: info.limits.get(name) for name in ("limit", "offset") if info.limits.get(name)}),
        "samples": f"{len(frame)} ({_digest(keys)})",
        "labels": _digest([[key, gold, candidates] for key, gold, candidates in pairs]),
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
    usual = {aspect: Counter(one[aspect] for one in prints).most_common(1)[0][0] for aspect in ASPECTS}
    tied = {aspect for aspect in ASPECTS if _tied([one[aspect] for one in prints])}
    return [
        tuple(f"{aspect} differs" for aspect in ASPECTS if one[aspect] != usual[aspect] or (aspect in tied))
        for one in prints
    ]


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
