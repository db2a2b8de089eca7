"""Each decoder against the final layer on the same samples, settings chosen on others than those they are judged on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.decoders.cost import Cost, cost
from lens_report.measures.decoders.readouts import Readouts, readouts
from lens_report.measures.decoders.rules import RULES, Rule, final_layer
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Clusters, Comparison, Estimate, holm, paired, score_interval
from lens_report.stats.best_layer import CHOOSING_FOLDS
from lens_report.stats.cross_fitting import grouped_folds
from lens_report.stats.results import MIN_CLUSTERS, join_notes
from lens_results import RunInfo

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
MIN_DIFFERING = 6
"""Fewest clusters in which two decoders must differ for a test: with fewer an exact sign test never reaches .05."""
MOST_TYPES = 12


@dataclass(frozen=True)
class Outcome:
    """One decoder against the final layer.

    Attributes:
        name: Of the decoder.
        about: What it answers.
        setting: What was chosen for it on other samples, such as `layer`; empty when nothing was.
        chosen: The choice.
        result: Decoder (b) minus final layer (a) in accuracy over the judged samples: `b_higher` counts wrong answers
            fixed, `a_higher` right answers broken. None when the decoder could not be computed, and then `why_none`
            says why.
        p_holm: Its p-value, corrected for all decoders of the task.
        by_type: Question type -> the same; its p-values are not corrected.
        by_type_holm: Question type -> p-value corrected for all decoders and question types of the task.
        n_left_out: Samples that lack what this decoder needs.
        cost: At run time.
        why_none: Why there is no result.
    """

    name: str
    about: str
    setting: str = ""
    chosen: float | None = None
    result: Comparison | None = None
    p_holm: float | None = None
    by_type: dict[str, Comparison] = field(default_factory=dict)
    by_type_holm: dict[str, float | None] = field(default_factory=dict)
    n_left_out: int = 0
    cost: Cost | None = None
    why_none: str = ""


@dataclass(frozen=True)
class Decoders:
    """All decoders of a task.

    Attributes:
        n: Samples that take part.
        dropped: Why others do not -> how many.
        final: Accuracy of the final layer over all that take part.
        agreement: Share of samples in which the leader of the final layer is the answer that the model gave.
        n_choosing: Samples on which settings were chosen.
        n_judged: Samples on which decoders with a setting were judged.
        outcomes: One for each decoder of `RULES`.
        why_none: Why there is nothing at all; empty otherwise.
    """

    n: int
    dropped: dict[str, int]
    final: Estimate | None
    agreement: Estimate | None
    n_choosing: int
    n_judged: int
    outcomes: tuple[Outcome, ...]
    why_none: str = ""


def decoders(task_run: TaskRun, *, seed: int = 0) -> Decoders:
    """What other decoders would have answered in one task.

    Args:
        task_run: The samples.
        seed: Of the split into samples that choose settings and samples that judge them.
    """
    found = readouts(task_run)
    if isinstance(found, str):
        return Decoders(0, {}, None, None, 0, 0, (), found)
    return compare_decoders(found, task_run.run.info, seed=seed)


def compare_decoders(readout: Readouts, info: RunInfo, *, seed: int = 0) -> Decoders:
    """Every rule against the final layer.

    A setting is chosen by accuracy on two of five folds, which keep clusters whole, and judged on the other three; the
    folds do not take turns (docs/statistics.md). Of equally good settings the one that changes least is taken.
    """
    base = (final_layer(readout) == readout.gold).astype(np.float64)
    choosing = grouped_folds(readout.clusters, base == 0, seed=seed) < CHOOSING_FOLDS
    outcomes = _corrected([_outcome(rule, readout, base, choosing, info) for rule in RULES])
    same = (final_layer(readout) == readout.given).astype(np.float64)
    return Decoders(
        base.size,
        readout.dropped,
        score_interval(base, readout.clusters),
        score_interval(same, readout.clusters),
        int(choosing.sum()),
        int((~choosing).sum()),
        tuple(outcomes),
    )


def _outcome(rule: Rule, readout: Readouts, base: Floats, choosing: Bools, info: RunInfo) -> Outcome:
    start = Outcome(rule.name, rule.about, rule.setting)
    grid = rule.grid(readout)
    if not grid:
        return replace(start, why_none=rule.missing)
    usable = readout.has_blank if rule.name == "image minus blank" else np.ones(base.size, dtype=bool)
    start = replace(start, n_left_out=int((~usable).sum()))
    judged, setting = usable, grid[0]
    if rule.setting:
        first, judged = usable & choosing, usable & ~choosing
        sizes = [readout.clusters.at(part).n_present() for part in (first, judged)]
        if min(sizes) < MIN_CLUSTERS:
            why = f"too few clusters to choose the {rule.setting} on one part and judge it on the other"
            return replace(start, why_none=f"{why}: {sizes[0]} and {sizes[1]}, at least {MIN_CLUSTERS} of each needed")
        part = readout.at(first)
        hits = [float((rule.answers(part, value) == part.gold).mean()) for value in grid]
        setting = grid[int(np.argmax(hits))]
    other = readout.at(judged)
    right = (rule.answers(other, setting) == other.gold).astype(np.float64)
    chosen = setting if rule.setting else None
    return replace(
        start,
        chosen=chosen,
        result=_tested(base[judged], right, other.clusters),
        by_type=_by_type(base[judged], right, other),
        cost=cost(rule.name, chosen, readout, info),
    )


def _by_type(base: Floats, right: Floats, readout: Readouts) -> dict[str, Comparison]:
    """The comparison within each question type, most samples first; nothing where there is one or too many."""
    known = np.array([isinstance(name, str) for name in readout.types], dtype=bool)
    names, counts = np.unique(readout.types[known].astype(str), return_counts=True)
    if not 1 < names.size <= MOST_TYPES:
        return {}
    found = {}
    for name in names[np.argsort(-counts, kind="stable")]:
        rows = readout.types == name
        found[str(name)] = _tested(base[rows], right[rows], readout.clusters.at(rows))
    return found


def _tested(base: Floats, right: Floats, clusters: Clusters) -> Comparison:
    """The paired comparison; without a p-value where the two differ in too few clusters for one."""
    found = paired(base, right, clusters)
    differing = clusters.at(base != right).n_present()
    if found.p_value is None or differing >= MIN_DIFFERING:
        return found
    note = f"no test: answers differ in {differing} clusters, at least {MIN_DIFFERING} are needed"
    return replace(
        found,
        p_value=None,
        difference=replace(found.difference, low=None, high=None, note=join_notes(found.difference.note, note)),
    )


def _corrected(outcomes: list[Outcome]) -> list[Outcome]:
    """Holm over the decoders, and over decoders and question types together."""
    whole = holm({one.name: one.result.p_value if one.result else None for one in outcomes})
    pairs = {(one.name, kind): result.p_value for one in outcomes for kind, result in one.by_type.items()}
    parts = holm({"\n".join(key): value for key, value in pairs.items()})
    return [
        replace(
            one,
            p_holm=whole[one.name],
            by_type_holm={kind: parts[f"{one.name}\n{kind}"] for kind in one.by_type},
        )
        for one in outcomes
    ]
