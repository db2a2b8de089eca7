"""What may be known of a run without labels, and the labels apart from it.

A predictor of accuracy sees the columns that are listed here and no others. None of them depends on a right answer:
label-free scalars are missing where the gold answer chose the candidates, and of the layers only entropies and the
lead of the answer given are read.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.measures.columns import numbers
from lens_report.measures.error_rows import without_repetitions
from lens_report.measures.groups import groups
from lens_report.measures.task_run import OUTPUT, TaskRun
from lens_report.stats.clusters import Clusters
from lens_report.stats.label_free import AnswerSet

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RECORDED: Final = ("question", "image_sha256", "candidates", "cluster", "status")
"""Fields of the records that are read, beside the label-free scalars named below and, by layer, `entropy`,
`margin_pred`, `rank_pred` and the candidates' scores; no other field is."""
SCALARS: Final = (
    "settle_depth", "overthinking", "late_drop", "dola_jsd", "visual_gain", "svar", "attention_entropy",
    "image_confidence",
)  # fmt: skip
"""Label-free scalars that are the same quantity with and without candidates."""
BY_KIND: Final = {
    "confidence": "final_prob",
    "commit_depth": "commit_depth",
    "flips": "flips",
    "auc_pred": "auc_pred",
}
"""Column -> scalar on candidates; without candidates that of the vocabulary, `vocab_*`, takes its place."""
_ALLOWED: Final = {
    *RECORDED,
    *(f"label_free.{name}" for name in (*SCALARS, "final_margin", *BY_KIND.values())),
    *(f"label_free.vocab_{name}" for name in BY_KIND.values()),
}
ENTROPY_DEPTHS: Final = (0.2, 0.4, 0.6, 0.8)
"""Relative depths at which the entropy of the vocabulary is taken, between layers by linear interpolation."""
READOUTS: Final = (
    "commit_depth", "flips", "auc_pred", *SCALARS, "last_agreement",
    *(f"entropy_{round(100 * depth)}" for depth in ENTROPY_DEPTHS),
)  # fmt: skip
"""What the layers say of an answer, beside its final confidence and entropy."""
_LAST: Final = 2 / 3
"""Relative depth beyond which a layer is one of the last."""
COLUMNS: Final = ("cluster", "closed", "confidence", "entropy", *READOUTS, "candidates", "shares")
"""The columns of `unlabelled`."""
LABELS: Final = ("right", "gold")
"""What `labelled` adds."""


def unlabelled(task_run: TaskRun) -> pd.DataFrame:
    """One row an answer that was read and has a confidence: the columns `COLUMNS`, made of allowed fields alone.

    `cluster`: what was sampled independently; `closed`: whether candidates were known beforehand; `confidence`: share
    of the answer given among them at the last layer, without candidates its probability in the vocabulary; `entropy`:
    of the same distribution in nats; `candidates`, `shares`: their labels and shares at the last layer, None where the
    answer has none; the rest are `READOUTS`, NaN where not recorded. `last_agreement` is the share of the layers beyond
    two thirds of the depth in which the answer given leads; `entropy_20`, ...: entropy of the vocabulary at a relative
    depth, divided by ln V. Repeated questions about an image are there once. The index counts the task's rows.
    """
    return _view(task_run)


def labelled(task_run: TaskRun) -> pd.DataFrame:
    """The same with `right` (1, 0) and `gold` (label of the right candidate, None where there is none).

    Answers without a verdict are left out.
    """
    view = _view(task_run)
    frame = task_run.frame.loc[view.index]
    gold = [
        labels[int(place)] if pd.notna(place) else None
        for labels, place in zip(frame["candidates"], frame["gold_candidate"], strict=True)
    ]
    verdict = frame["verdict"].to_numpy(dtype=np.float64)
    view = view.assign(right=verdict, gold=pd.Series(gold, view.index, dtype=object))
    return view[view["right"].notna()]


def _view(task_run: TaskRun) -> pd.DataFrame:
    frame = task_run.recorded[[name for name in task_run.recorded if name in _ALLOWED]]
    closed = _finite(frame, "final_margin") if task_run.has_layers else frame["candidates"].map(bool).to_numpy()
    columns: dict[str, object] = {"cluster": groups(frame["cluster"], frame["image_sha256"]).labels, "closed": closed}
    for column, name in BY_KIND.items():
        columns[column] = np.where(closed, _scalar(frame, name), _scalar(frame, f"vocab_{name}"))
    shares = _shares(task_run, frame, closed) if task_run.has_layers else _served_shares(task_run)
    columns["entropy"] = np.where(closed, _entropy(shares), task_run.at_output("entropy"))
    columns |= {name: _scalar(frame, name) for name in SCALARS}
    columns |= _of_layers(task_run, closed)
    columns["candidates"] = frame["candidates"].where(closed, None)
    columns["shares"] = pd.Series(
        [row[np.isfinite(row)] if known else None for row, known in zip(shares, closed, strict=True)], dtype=object
    )
    view = pd.DataFrame(columns, index=frame.index)[list(COLUMNS)]
    kept = (frame["status"] == "ok").to_numpy(dtype=bool) & np.isfinite(view["confidence"].to_numpy(dtype=np.float64))
    asked = view.assign(question=frame["question"], image=frame["image_sha256"], row=np.arange(len(view)))
    asked = asked[kept & (closed == _majority(closed[kept]))]
    rows = without_repetitions(asked, ["cluster", "image", "question"])["row"].to_numpy(dtype=np.int64)
    return view.iloc[rows]


def _majority(closed: Bools) -> bool:
    """The kind of most answers: confidences of the two kinds are not the same quantity."""
    return bool(2 * closed.sum() >= closed.size)


def _scalar(frame: pd.DataFrame, name: str) -> Floats:
    column = f"label_free.{name}"
    return numbers(frame[column]) if column in frame else np.full(len(frame), np.nan)


def _finite(frame: pd.DataFrame, name: str) -> Bools:
    return np.isfinite(_scalar(frame, name))


def _shares(task_run: TaskRun, frame: pd.DataFrame, closed: Bools) -> Floats:
    """Shares of the candidates at the last layer, float [n, C]; NaN beyond a row's own candidates."""
    scores = task_run.wide("cand_scores")
    if scores is None or not closed.any():
        return np.full((len(frame), 1), np.nan)
    last = np.where(closed[:, None], scores[:, -1], np.nan)
    known = np.isfinite(last)
    filled = np.where(known, last, -np.inf)
    highest = filled.max(axis=1, keepdims=True)
    weights = np.exp(filled - np.where(np.isfinite(highest), highest, 0.0))
    total = weights.sum(axis=1, keepdims=True)
    return np.where(known, weights / np.where(total > 0, total, 1.0), np.nan)


def _served_shares(task_run: TaskRun) -> Floats:
    """The same of a served model, which gives the shares of some rows."""
    known = task_run.probe(OUTPUT, "shares")
    found = np.full((len(known), max((len(own) for own in known if own is not None), default=1)), np.nan)
    for row, own in enumerate(known):
        if own is not None:
            found[row, : len(own)] = own
    return found


def _entropy(shares: Floats) -> Floats:
    """Entropy of each row in nats, NaN without shares."""
    known = np.isfinite(shares)
    terms = np.where(known & (shares > 0), -shares * np.log(np.where(shares > 0, shares, 1.0)), 0.0)
    return np.where(known.any(axis=1), terms.sum(axis=1), np.nan)


def _of_layers(task_run: TaskRun, closed: Bools) -> dict[str, Floats]:
    """Columns of several layers; NaN in a run without layers."""
    if not task_run.has_layers:
        names = ("last_agreement", *(f"entropy_{round(100 * depth)}" for depth in ENTROPY_DEPTHS))
        return {name: np.full(closed.size, np.nan) for name in names}
    profile = _entropy_profile(task_run, task_run.stack("entropy"))
    return {"last_agreement": _last_agreement(task_run, closed), **profile}


def _last_agreement(task_run: TaskRun, closed: Bools) -> Floats:
    late = task_run.depth > _LAST
    margin, rank = task_run.stack("margin_pred")[:, late], task_run.stack("rank_pred")[:, late]
    values = np.where(closed[:, None], margin, rank)
    leads = np.where(closed[:, None], margin > 0, rank == 1)
    known = np.isfinite(values)
    count = known.sum(axis=1)
    return np.where(count > 0, (leads & known).sum(axis=1) / np.maximum(count, 1), np.nan)


def _entropy_profile(task_run: TaskRun, entropies: Floats) -> dict[str, Floats]:
    size = task_run.run.info.model.vocab_size
    scaled = entropies / np.log(size) if size and size > 1 else np.full_like(entropies, np.nan)
    found = {}
    for depth in ENTROPY_DEPTHS:
        right = min(int(np.searchsorted(task_run.depth, depth)), task_run.depth.size - 1)
        left = max(right - 1, 0)
        span = task_run.depth[right] - task_run.depth[left]
        share = np.clip((depth - task_run.depth[left]) / span, 0.0, 1.0) if span > 0 else 0.0
        found[f"entropy_{round(100 * depth)}"] = (1 - share) * scaled[:, left] + share * scaled[:, right]
    return found


def answer_set(frame: pd.DataFrame, name: str) -> AnswerSet:
    """A frame of `unlabelled` or `labelled` as arrays for the statistics.

    Candidates of all rows share one axis, by their labels; one that an answer has not gets a share of 0.
    """
    scores = {column: frame[column].to_numpy(dtype=np.float64) for column in ("confidence", "entropy", *READOUTS)}
    has_labels = "right" in frame
    right = frame["right"].to_numpy(dtype=np.float64) if has_labels else None
    clusters = Clusters.of(frame["cluster"].reset_index(drop=True))
    rows = list(zip(frame["candidates"], frame["shares"], strict=True))
    if not rows or any(labels is None for labels, _ in rows):
        return AnswerSet(name, scores, clusters, right)
    candidates = tuple(dict.fromkeys(label for labels, _ in rows for label in labels))
    place = {label: column for column, label in enumerate(candidates)}
    shares = np.zeros((len(rows), len(candidates)))
    for row, (labels, own) in enumerate(rows):
        shares[row, [place[label] for label in labels[: len(own)]]] = own
    gold = None
    if has_labels:
        gold = np.array([place.get(label, -1) for label in frame["gold"]], dtype=np.int64)
    return AnswerSet(name, scores, clusters, right, shares, candidates, gold)
