"""Lift of the maps in the boxes by layer, beside that of their nulls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.picture.contrasts import ATTENTION, NEAR, RELATIVE, WORDS, Asked
from lens_report.measures.picture.stored_maps import ATTENTION_PROBE, WORD_PROBE
from lens_report.measures.task_run import TaskRun
from lens_report.stats import LayerCurve, holm, layer_curve, paired

RECORDED = {ATTENTION: ATTENTION_PROBE, WORDS: WORD_PROBE, NEAR: "near", RELATIVE: "relative_attention"}
"""Kind of map -> what the names of its lifts by layer begin with in records."""


@dataclass(frozen=True, eq=False)
class LiftByLayer:
    """One kind of map, layer by layer, over the samples with a lift and a null.

    Attributes:
        of: Which map, a key of `RECORDED`.
        layers: int [L], the layers of the maps.
        n: Samples.
        own: Lift in the boxes.
        null: Lift in null boxes, or null tracks.
        against: Which of the two.
        p: At each layer, of own minus null: clustered paired t test.
        p_holm: Corrected over the layers of all kinds of maps.
    """

    of: str
    layers: NDArray[np.int64]
    n: int
    own: LayerCurve
    null: LayerCurve
    against: str
    p: tuple[float | None, ...]
    p_holm: tuple[float | None, ...] = ()


def lift_by_layer(task_run: TaskRun, asked: Asked, null: str) -> tuple[LiftByLayer, ...]:
    """Of all kinds of maps, those that the records have; `null` is what their nulls are called."""
    found = list(_uncorrected(task_run, asked, null))
    corrected = holm({f"{one.of} {place}": p for one in found for place, p in enumerate(one.p)})
    return tuple(
        replace(one, p_holm=tuple(corrected[f"{one.of} {place}"] for place in range(len(one.p)))) for one in found
    )


def _uncorrected(task_run: TaskRun, asked: Asked, null_name: str) -> Iterator[LiftByLayer]:
    recorded = task_run.run.probes.get("boxes", ())
    for of, probe in RECORDED.items():
        names = (f"{probe} lift", f"{probe} null lift")
        if not {*names, f"{probe} layers"} <= set(recorded):
            continue
        rows = task_run.rows[asked.rows]
        (layers, own), (_, null) = (task_run.run.probe_layers("boxes", name, f"{probe} layers") for name in names)
        own, null = own[rows], null[rows]
        both = np.isfinite(own) & np.isfinite(null)
        if not both.any():
            continue
        kept = both.any(axis=0)
        layers, own, null = layers[kept], (np.where(both, own, np.nan))[:, kept], np.where(both, null, np.nan)[:, kept]
        p = tuple(paired(null[:, place], own[:, place], asked.clusters).p_value for place in range(layers.size))
        curves = [layer_curve(values, asked.clusters) for values in (own, null)]
        yield LiftByLayer(of, layers.astype(np.int64), int(both.any(axis=1).sum()), curves[0], curves[1], null_name, p)
