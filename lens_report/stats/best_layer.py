"""The AUROC of a best layer, chosen on other samples than those it is judged on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from lens_report.stats.auroc import METHOD, auroc_estimate, auroc_value
from lens_report.stats.clusters import Clusters
from lens_report.stats.cross_fitting import grouped_folds
from lens_report.stats.results import Estimate, Sizes, join_notes
from lens_report.stats.scored import Scored

CHOOSING_FOLDS = 2
"""How many of the folds choose the layer; the others judge it."""


@dataclass(frozen=True)
class BestLayer:
    """A layer chosen on some clusters and judged on the others.

    Attributes:
        auroc: AUROC of error on the held-out folds, read at the layer and in the direction that the first folds chose.
            Its counts are those of the held-out folds.
        chosen: The column that was chosen; None when none could be.
    """

    auroc: Estimate
    chosen: int | None


def held_out_best_layer(
    values: ArrayLike, error: ArrayLike, clusters: Clusters | ArrayLike, *, seed: int = 0
) -> BestLayer:
    """Choose the layer whose value ranks errors best on two of five folds, and judge it on the other three.

    The folds do not take turns. Choices made by turns share most of their rows: they agree on the layer that is best in
    hindsight or contradict each other, and an interval that takes the choices as given then excludes .5 in about one of
    five runs without any effect. One split keeps the level.

    Args:
        values: float [n, L], a label-free quantity at every layer; rows with NaN are left out.
        error: [n], 1 for a wrong answer.
        clusters: Labels [n]; folds keep clusters whole.
        seed: Of the folds.

    Returns:
        Held-out AUROC with its clustered interval, and the choice.
    """
    columns = np.asarray(values, dtype=np.float64)
    known = np.isfinite(columns).all(axis=1)
    rows = Scored.of(np.where(known, 0.0, np.nan), error, clusters)
    if not rows.sizes.n:
        return BestLayer(rows.sizes.missing(join_notes(rows.note, rows.why_none), METHOD), None)
    columns = columns[known & np.isfinite(np.asarray(error, dtype=np.float64))]
    choosing = grouped_folds(rows.clusters, rows.error, seed=seed) < CHOOSING_FOLDS
    for part in (choosing, ~choosing):
        sizes = Sizes(int(part.sum()), rows.clusters.at(part).n_present(), int(rows.error[part].sum()))
        if sizes.too_small:
            reason = f"too small to choose on one part and judge on the other: {sizes.too_small}"
            return BestLayer(rows.sizes.missing(join_notes(rows.note, reason), METHOD), None)
    area = np.array([auroc_value(column, rows.error[choosing]) for column in columns[choosing].T])
    layer = int(np.argmax(np.abs(area - 0.5)))
    direction = 1.0 if area[layer] >= 0.5 else -1.0
    held_out = Scored.of(direction * columns[~choosing, layer], rows.error[~choosing], rows.clusters.at(~choosing))
    found = auroc_estimate(held_out)
    method, note = f"layer chosen on other folds, {found.method}", join_notes(rows.note, found.note)
    return BestLayer(replace(found, method=method, note=note), None if held_out.why_none else layer)
