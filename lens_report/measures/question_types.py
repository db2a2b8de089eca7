"""By question type: how deep the right answer becomes readable, and which type comes before which."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.candidates import cand_scores, gold_leads, indices, leaders
from lens_report.measures.curves import GroupCurve
from lens_report.measures.emergence import FIRST, STABLE, Emergence
from lens_report.measures.task_run import TaskRun
from lens_report.stats import (
    AboveChance,
    EmergenceCurve,
    Estimate,
    LayerCurve,
    Leaders,
    Precedence,
    above_chance,
    depth_difference,
    holm,
    layer_curve,
    precedence,
)
from lens_report.stats import emergence as emergence_curve
from lens_report.stats.results import MIN_CLUSTERS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
MOST = 12
"""Question types, the most frequent ones; a task with more of them is not split."""


@dataclass(frozen=True, eq=False)
class QuestionType:
    """One question type.

    Attributes:
        name: The type, as the task calls it.
        n: Samples with a gold answer that was read.
        accuracy: Share of them in which gold leads, by layer.
        above: The same minus the share that shuffled gold answers of this type would have; None without candidates.
        chance: That share by layer, float [L]; empty without candidates.
        from_layer: First layer from which `above` stays above zero, corrected for all layers; None when it does not.
        halfway: Depth in layers from which `above` stays over half of its last value.
        first: First layer at which gold leads for a while.
        stable: First layer from which it leads to the end.
        lost: Share of wrong answers in which gold had led clearly; None without any.
        corrected: Share of right answers in which a wrong candidate had led clearly.
    """

    name: str
    n: int
    accuracy: GroupCurve
    above: LayerCurve | None
    chance: Floats
    from_layer: int | None
    halfway: Estimate | None
    first: EmergenceCurve
    stable: EmergenceCurve
    lost: Estimate | None
    corrected: Estimate | None


@dataclass(frozen=True)
class Order:
    """Two question types against each other, the one that comes first in front.

    Attributes:
        first: Name of the type with the smaller half-way depth (without depths: the one that leads first more often).
        second: The other.
        depth: Half-way depth of the second minus that of the first, in layers; None without candidates.
        depth_p: Its bootstrap p-value.
        depth_holm: Corrected for all pairs.
        lead: P(the first's answers emerge earlier) - P(later), over all samples; those that never emerge come last.
        lead_p: Its p-value.
        lead_holm: Corrected for all pairs.
    """

    first: str
    second: str
    depth: Estimate | None
    depth_p: float | None
    depth_holm: float | None
    lead: Estimate
    lead_p: float | None
    lead_holm: float | None


@dataclass(frozen=True, eq=False)
class QuestionTypes:
    """The question types of a task.

    Attributes:
        layers: int [L].
        types: Most samples first.
        orders: All pairs.
        left_out: Type -> why it is not among them.
    """

    layers: NDArray[np.int64]
    types: tuple[QuestionType, ...]
    orders: tuple[Order, ...]
    left_out: dict[str, str]


def question_types(task_run: TaskRun, found: Emergence | None, *, n_draws: int, seed: int = 0) -> QuestionTypes | None:
    """Question types of a task, on its samples with a gold answer that was read; None where there are not several.

    Args:
        task_run: The samples.
        found: Emergence of the whole task, for what was lost and corrected in each type.
        n_draws: Bootstrap draws.
        seed: Of the draws.
    """
    known = task_run.read_out & task_run.column("gold_based.emerged")
    kinds, left_out = _kinds(task_run, known)
    if found is None or not kinds:
        return None
    leaders = _leaders(task_run, kinds)
    above = above_chance(leaders, task_run.layers, n_draws=n_draws, seed=seed) if leaders else {}
    described = [_concept(task_run, name, rows, found, above.get(name)) for name, rows in kinds.items()]
    return QuestionTypes(task_run.layers, tuple(described), _orders(task_run, kinds, above), left_out)


def _kinds(task_run: TaskRun, known: Bools) -> tuple[dict[str, Bools], dict[str, str]]:
    """Type -> its rows, most first, and types that are too small; nothing where fewer than two are left."""
    types = task_run.frame["question_type"]
    counts = types[known].value_counts()
    if not 1 < len(counts) <= MOST:
        return {}, {}
    kept, left_out = {}, {}
    for name in counts.index:
        rows = known & (types == name).to_numpy(dtype=bool)
        clusters = task_run.clusters.at(rows).n_present()
        if clusters < MIN_CLUSTERS:
            left_out[str(name)] = f"{clusters} clusters, at least {MIN_CLUSTERS} are needed"
        else:
            kept[str(name)] = rows
    return (kept, left_out) if len(kept) > 1 else ({}, left_out)


def _leaders(task_run: TaskRun, kinds: dict[str, Bools]) -> dict[str, Leaders]:
    """Who leads by type, on the rows with scores of candidates known beforehand at every layer."""
    scores = cand_scores(task_run)
    if scores is None:
        return {}
    gold = indices(task_run, "gold_candidate")
    values = np.where(np.isfinite(scores), scores, -np.inf)
    leader = leaders(values)
    usable = task_run.closed_rows & (gold >= 0) & np.isfinite(values.max(axis=2)).all(axis=1)
    found = {
        name: Leaders(leader[rows & usable], gold[rows & usable], task_run.clusters.at(rows & usable))
        for name, rows in kinds.items()
    }
    return found if all(one.gold.size for one in found.values()) else {}


def _concept(
    task_run: TaskRun,
    name: str,
    rows: Bools,
    found: Emergence,
    above: AboveChance | None,
) -> QuestionType:
    clusters = task_run.clusters.at(rows)
    first, stable = (
        emergence_curve(_event(task_run, event)[rows], task_run.layers, clusters) for event in (FIRST, STABLE)
    )
    place = above.from_place if above else None
    return QuestionType(
        name=name,
        n=int(rows.sum()),
        accuracy=GroupCurve(name, layer_curve(gold_leads(task_run)[rows], clusters), int(rows.sum())),
        above=above.curve if above else None,
        chance=above.chance if above else np.zeros(0),
        from_layer=None if place is None else int(task_run.layers[place]),
        halfway=above.halfway if above else None,
        first=first,
        stable=stable,
        lost=found.lost.get(f"type: {name}"),
        corrected=found.corrected.get(f"type: {name}"),
    )


def _event(task_run: TaskRun, event: str) -> Floats:
    return task_run.frame[f"gold_based.{event}"].to_numpy(dtype=np.float64)


def _orders(task_run: TaskRun, kinds: dict[str, Bools], above: dict[str, AboveChance]) -> tuple[Order, ...]:
    """All pairs with both tests, each corrected over the pairs."""
    event = _event(task_run, FIRST)
    pairs = []
    for one, other in combinations(kinds, 2):
        depth, p_value = depth_difference(above[one], above[other]) if above else (None, None)
        a, b = kinds[one], kinds[other]
        lead = precedence(event[a], event[b], task_run.clusters.at(a), task_run.clusters.at(b))
        pairs.append(_order(one, other, depth, p_value, lead))
    depth_holm = holm({f"{pair.first}\n{pair.second}": pair.depth_p for pair in pairs})
    lead_holm = holm({f"{pair.first}\n{pair.second}": pair.lead_p for pair in pairs})
    return tuple(
        replace(
            pair,
            depth_holm=depth_holm[f"{pair.first}\n{pair.second}"],
            lead_holm=lead_holm[f"{pair.first}\n{pair.second}"],
        )
        for pair in pairs
    )


def _order(one: str, other: str, depth: Estimate | None, depth_p: float | None, lead: Precedence) -> Order:
    """The pair with the earlier type in front."""
    gap = depth.value if depth is not None and depth.value is not None else lead.lead.value
    if gap is not None and gap < 0:
        return Order(
            other, one, None if depth is None else _turned(depth), depth_p, None, _turned(lead.lead), lead.p_value, None
        )
    return Order(one, other, depth, depth_p, None, lead.lead, lead.p_value, None)


def _turned(estimate: Estimate) -> Estimate:
    """The difference the other way round."""
    value, low, high = (None if end is None else -end for end in (estimate.value, estimate.high, estimate.low))
    return replace(estimate, value=value, low=low, high=high)
