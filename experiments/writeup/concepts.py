"""What a question is about: finer than the question type, from the gold answer's place in the vocabulary."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report import TaskRun
from lens_report.measures.candidates import cand_scores, indices, leaders
from lens_report.stats import AboveChance, Clusters, Leaders, above_chance

Bools = NDArray[np.bool_]
ATTRIBUTES = {
    "colour": ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"),
    "shape": ("cube", "sphere", "cylinder"),
    "size": ("large", "small"),
    "material": ("rubber", "metal"),
}
_OF_ANSWER = {answer: concept for concept, answers in ATTRIBUTES.items() for answer in answers}
_TYPES = {
    "exist": "existence",
    "compare_integer": "comparison of counts",
    "compare_attribute": "comparison of attributes",
    "colors": "colour",
    "shapes": "shape",
    "materials": "material",
    "binary": "yes or no",
}
_RELATION = r"\b(?:left of|right of|in front of|behind|слева от|справа от|перед|позади|за)\b"
"""How the questions of both languages name a spatial relation."""
RELATED = ("existence", "count")
"""Concepts that are split by whether the question goes through a spatial relation."""
DIRECT, THROUGH = "without a relation", "through a relation"
ORDER = (
    "existence",
    "yes or no",
    "colour",
    "shape",
    "size",
    "material",
    "count",
    "comparison of attributes",
    "comparison of counts",
    "strange",
)
LEAST = 30
"""Samples that a concept needs."""


def concepts(task_run: TaskRun) -> pd.Series:
    """A concept for each sample, missing where the question type says nothing."""
    if task_run.task.startswith("pope"):
        return pd.Series("existence", index=task_run.frame.index, dtype=object)
    if task_run.task.startswith("weird"):
        return pd.Series("strange", index=task_run.frame.index, dtype=object)
    kinds = task_run.frame["question_type"].astype(object)
    asked = kinds == "query_attribute"
    gold = task_run.frame["gold"].map(lambda texts: _OF_ANSWER.get(texts[0]) if texts else None)
    return kinds.map(lambda kind: _TYPES.get(kind, kind)).where(~asked, gold)


def depth_by_concept(task_run: TaskRun, *, n_draws: int, seed: int = 0) -> dict[str, AboveChance]:
    """Concept -> lens accuracy above shuffled answers by layer; the draws are shared among the concepts.

    Only samples that were read and have candidates and a gold answer among them take part. `existence` and `count`
    come a second time, split by whether the question goes through a spatial relation, where both parts are large
    enough.
    """
    scores = cand_scores(task_run)
    if scores is None:
        return {}
    gold = indices(task_run, "gold_candidate")
    known = task_run.read_out & (gold >= 0) & np.isfinite(scores).any(axis=(1, 2))
    best = leaders(np.where(np.isfinite(scores), scores, -np.inf))
    clusters = Clusters.of(task_run.frame["group"])
    kinds = {
        name: Leaders(best[rows], gold[rows], clusters.at(rows)) for name, rows in _groups(task_run, known).items()
    }
    return above_chance(kinds, task_run.layers, n_draws=n_draws, seed=seed) if kinds else {}


def _groups(task_run: TaskRun, known: Bools) -> dict[str, Bools]:
    """Concept -> its rows among the known ones, those with fewer than `LEAST` left out."""
    labels = concepts(task_run)
    groups = {name: known & (labels == name).to_numpy(dtype=bool) for name in ORDER}
    related = task_run.frame["question"].str.contains(_RELATION, regex=True).fillna(False).to_numpy(dtype=bool)
    for name in RELATED:
        direct, through = groups[name] & ~related, groups[name] & related
        if min(direct.sum(), through.sum()) >= LEAST:
            groups |= {f"{name} {DIRECT}": direct, f"{name} {THROUGH}": through}
    return {name: rows for name, rows in groups.items() if rows.sum() >= LEAST}
