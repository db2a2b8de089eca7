"""Does a score find errors among samples of one kind, or does it only tell the kinds apart?"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lens_report.stats.association import METHOD, Scored
from lens_report.stats.clusters import N_DRAWS, Clusters, bootstrap
from lens_report.stats.gain import pairs_within
from lens_report.stats.layer_auroc import auroc_estimate, auroc_statistic
from lens_report.stats.results import Estimate, join_notes


@dataclass(frozen=True)
class Stratified:
    """AUROC of error for each level of a label, and pooled over the levels.

    Attributes:
        levels: Level -> AUROC within it, most rows first.
        within: AUROC over all pairs of an error and a right answer of the same level. A metric that only detects
            "said yes" is at .5 here when the level is the predicted answer.
    """

    levels: dict[Hashable, Estimate]
    within: Estimate


def stratified_auroc(
    score: ArrayLike,
    error: ArrayLike,
    clusters: Clusters | ArrayLike,
    label: ArrayLike | pd.Series,
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Stratified:
    """AUROC of error by predicted answer, question type or both.

    Args:
        score: float [n]; high values are meant to go with errors.
        error: [n], 1 for a wrong answer.
        clusters: Labels [n].
        label: Level of each row [n]; rows without one form the level ``"missing"``.
        n_draws: Bootstrap draws, the same for all levels.
        seed: Of the draws.

    Returns:
        Estimates by level and pooled; each says why when it has no value or interval.
    """
    groups = clusters if isinstance(clusters, Clusters) else Clusters.of(clusters)
    names = pd.Series(label).astype(object).where(pd.Series(label).notna(), "missing").to_numpy()
    values, wrong = np.asarray(score, dtype=np.float64), np.asarray(error, dtype=np.float64)
    everything = Scored.of(values, wrong, groups)
    parts = {
        level: Scored.of(values[names == level], wrong[names == level], groups.at(names == level))
        for level in pd.Series(names).value_counts().index
    }
    levels: dict[Hashable, Estimate] = {
        level: rows.sizes.missing(join_notes(rows.note, rows.why_none), METHOD)
        for level, rows in parts.items()
        if rows.why_none
    }
    usable = {level: rows for level, rows in parts.items() if not rows.why_none}
    if not usable:
        reason = "no level holds both errors and right answers with differing values"
        return Stratified(levels, everything.sizes.missing(reason, METHOD))
    codes = pd.factorize(pd.Series(names[np.isfinite(values) & np.isfinite(wrong)]))[0].astype(np.int64)
    statistics = [auroc_statistic(rows) for rows in usable.values()]
    statistics.append(pairs_within(everything.score, everything.error, codes, everything.clusters))
    draws = bootstrap(groups, statistics, n_draws=n_draws, seed=seed)
    found = [
        auroc_estimate(rows, statistic, line)
        for statistic, line, rows in zip(statistics, draws, [*usable.values(), everything], strict=True)
    ]
    levels |= dict(zip(usable, found[:-1], strict=True))
    return Stratified({level: levels[level] for level in parts}, found[-1])
