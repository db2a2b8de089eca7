"""Means by layer of what the lens reads, split where the split says something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.candidates import gold_leads, indices
from lens_report.measures.task_run import TaskRun
from lens_report.stats import LayerCurve, layer_curve

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
RIGHT, WRONG, ALL = "right answers", "wrong answers", "all answers"


@dataclass(frozen=True, eq=False)
class GroupCurve:
    """One line of a figure.

    Attributes:
        group: Which samples.
        curve: Mean and pointwise 95 % interval by layer.
        n: Samples with a value at any layer.
    """

    group: str
    curve: LayerCurve
    n: int


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of one task.

    Attributes:
        layers: int [L].
        accuracy: Share of samples in which gold leads.
        mass: Probability of all candidates together; whole sequences, whose mass says something else, left out.
        chance: Share that guessing among the candidates would get; None on open tasks.
        log_odds: Signed log-odds of the positive answer by gold class and verdict, nats; empty on other tasks.
        margin: Margin of the answer given by verdict, nats.
        entropy: By verdict, nats.
        jsd: Divergence from the last layer by verdict, nats.
        log_rank: log10 of the rank of the answer given, by verdict.
    """

    layers: NDArray[np.int64]
    accuracy: tuple[GroupCurve, ...]
    mass: tuple[GroupCurve, ...]
    chance: float | None
    log_odds: tuple[GroupCurve, ...]
    margin: tuple[GroupCurve, ...]
    entropy: tuple[GroupCurve, ...]
    jsd: tuple[GroupCurve, ...]
    log_rank: tuple[GroupCurve, ...]


def curves(task_run: TaskRun) -> Curves:
    """All curves of a task; a group without a value is left out."""
    verdict = task_run.frame["verdict"].to_numpy(dtype=np.float64)
    by_verdict = {RIGHT: verdict == 1, WRONG: verdict == 0}
    everything = {ALL: np.ones(verdict.size, dtype=bool)}
    rank = task_run.stack("rank_pred")
    return Curves(
        layers=task_run.layers,
        accuracy=grouped(task_run, gold_leads(task_run), everything),
        mass=grouped(task_run, task_run.stack("cand_mass"), {ALL: ~task_run.sequence_rows}) if task_run.closed else (),
        chance=_chance(task_run),
        log_odds=grouped(task_run, task_run.stack("log_odds"), _gold_classes(task_run, by_verdict)),
        margin=grouped(task_run, task_run.stack("margin_pred"), by_verdict) if task_run.closed else (),
        entropy=grouped(task_run, task_run.stack("entropy"), by_verdict),
        jsd=grouped(task_run, task_run.stack("jsd_last"), by_verdict),
        log_rank=grouped(task_run, np.log10(np.where(rank > 0, rank, np.nan)), by_verdict),
    )


def grouped(task_run: TaskRun, values: Floats, groups: Mapping[str, Bools]) -> tuple[GroupCurve, ...]:
    """A curve of each group of samples, values float [n, L], groups name -> bool [n]; empty groups are left out."""
    found = []
    for name, members in groups.items():
        n = int((members & np.isfinite(values).any(axis=1)).sum())
        if n:
            curve = layer_curve(values[members], task_run.clusters.at(members))
            found.append(GroupCurve(name, curve, n))
    return tuple(found)


def _gold_classes(task_run: TaskRun, by_verdict: Mapping[str, Bools]) -> dict[str, Bools]:
    """Gold class x verdict on a binary task, named after the candidates; empty on other tasks."""
    frame = task_run.frame
    binary = [pair if isinstance(pair, tuple) else None for pair in frame["binary"]]
    sets = {
        (candidates, pair)
        for candidates, pair in zip(frame["candidates"], binary, strict=True)
        if pair is not None and candidates
    }
    if len(sets) != 1:
        return {}
    candidates, pair = next(iter(sets))
    gold = indices(task_run, "gold_candidate")
    return {
        f"gold {candidates[index]}, {name.split()[0]}": (gold == index) & members
        for index in pair
        for name, members in by_verdict.items()
    }


def _chance(task_run: TaskRun) -> float | None:
    counts = task_run.frame["candidates"].map(len)[task_run.closed_rows]
    return float((1 / counts).mean()) if len(counts) else None
