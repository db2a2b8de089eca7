"""What a question is about: finer than the question type, from the gold answer's place in the vocabulary."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lens_report import Subject
from lens_report.analysis.candidates import cand_scores, indices
from lens_report.stats import Clusters
from lens_report.stats.above_chance import AboveChance, Leaders, above_chance

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


def concepts(subject: Subject) -> pd.Series:
    """A concept for each sample, missing where the question type says nothing."""
    if subject.task.startswith("pope"):
        return pd.Series("existence", index=subject.frame.index, dtype=object)
    if subject.task.startswith("weird"):
        return pd.Series("strange", index=subject.frame.index, dtype=object)
    kinds = subject.frame["question_type"].astype(object)
    asked = kinds == "query_attribute"
    gold = subject.frame["gold"].map(lambda texts: _OF_ANSWER.get(texts[0]) if texts else None)
    return kinds.map(lambda kind: _TYPES.get(kind, kind)).where(~asked, gold)


def depth_by_concept(subject: Subject, *, n_draws: int, seed: int = 0) -> dict[str, AboveChance]:
    """Concept -> lens accuracy above shuffled answers by layer; the draws are shared among the concepts.

    Only samples that were read and have candidates and a gold answer among them take part.
    """
    scores = cand_scores(subject)
    if scores is None:
        return {}
    gold = indices(subject, "gold_candidate")
    labels = concepts(subject)
    known = subject.read_out & (gold >= 0) & np.isfinite(scores).any(axis=(1, 2)) & labels.notna().to_numpy()
    best = leaders(scores)
    clusters = Clusters.of(subject.frame["group"])
    kinds = {
        name: Leaders(best[rows], gold[rows], clusters.at(rows))
        for name in ORDER
        if (rows := known & (labels == name).to_numpy()).sum() >= 30
    }
    return above_chance(kinds, subject.layers, n_draws=n_draws, seed=seed) if kinds else {}


def leaders(scores: np.ndarray) -> np.ndarray:
    """Index of the leading candidate, -1 in a tie or without scores: float [n, L, C] -> int [n, L]."""
    filled = np.where(np.isfinite(scores), scores, -np.inf)
    best = filled.argmax(axis=2)
    top = filled.max(axis=2)
    tied = (filled == top[..., None]).sum(axis=2) != 1
    return np.where(tied | ~np.isfinite(top), -1, best)
