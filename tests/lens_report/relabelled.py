"""A run on disk written again without its labels, or with other ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lens_results import RecordWriter, Run, SampleRecord, merge

Relabel = Callable[[SampleRecord], SampleRecord]


def stripped(record: SampleRecord) -> SampleRecord:
    """Nothing of it depends on a right answer."""
    return replace(
        record, gold=(), gold_candidate=None, correct=None, logprob_gold=None, rank_gold=None, gold_based={}, scores={}
    )


def relabelled(seed: int) -> Relabel:
    """Another right answer, verdict, score and readout of the right answer for every record."""
    rng = np.random.default_rng(seed)

    def change(record: SampleRecord) -> SampleRecord:
        if not record.candidates:
            return record
        gold = int(rng.integers(len(record.candidates)))
        shape = None if record.logprob_pred is None else record.logprob_pred.shape
        values: dict[str, Any] = {"gold": (record.candidates[gold],), "gold_candidate": gold}
        values["correct"] = None if record.pred_candidate is None else gold == record.pred_candidate
        values["scores"] = {name: float(rng.random() < 0.5) for name in record.scores}
        values["gold_based"] = {name: float(rng.random()) for name in record.gold_based}
        if shape is not None and record.logprob_gold is not None:
            values["logprob_gold"] = -rng.random(shape)
            values["rank_gold"] = rng.integers(1, 9, shape)
        return replace(record, **values)

    return change


def rewrite(run: Run, folder: Path, change: Relabel, run_id: str | None = None) -> Path:
    """The records of a run, each changed, as a run in another folder."""
    info = replace(run.info, run_id=run_id or run.info.run_id)
    with RecordWriter(folder, info, part_rows=4096, part_seconds=1e9) as writer:
        for record in run.records():
            writer.append(change(record))
    merge(folder, info.run_id)
    return folder
