"""What is on disk when a run is killed (docs/faults.md): all but five seconds of work and the batch under way."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lens_engine.recorder import PART_SECONDS, LensRecorder
from lens_results import LensInfo, ModelInfo, RunInfo, SampleRecord


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def run_info() -> RunInfo:
    model = ModelInfo(name_or_path="stub", n_layers=2, hidden_size=8, vocab_size=16)
    return RunInfo(run_id="r", model=model, lens=LensInfo(layer_index=(1, 2)))


def written(folder: Path) -> set[int]:
    columns = [pq.read_table(part, columns=["doc_id"])["doc_id"] for part in folder.rglob("*.parquet")]
    return {number for column in columns for number in column.to_pylist()}


# seconds that a batch takes: of a tiny model, of one whose batches take about as long as a part waits, of slow ones
@pytest.mark.parametrize(("quick", "slow"), [(0.001, 0.05), (0.5, 6.0), (20.0, 300.0), (0.001, 300.0)])
@pytest.mark.parametrize("size", [1, 8])
def test_a_kill_costs_five_seconds_of_work_beside_the_batch_under_way(
    quick: float, slow: float, size: int, clock: list[float], tmp_path: Path
) -> None:
    drawn = random.Random(f"{quick} {slow} {size}")
    recorder = LensRecorder(run_info(), tmp_path, thumbnails=False)
    took: dict[int, float] = {}
    for first in range(0, 60 * size, size):
        seconds = drawn.choice((quick, slow)) * drawn.uniform(0.5, 1)
        clock[0] += seconds
        batch = range(first, first + size)
        recorder.add(SampleRecord(task="t", doc_id=number, kind="generate", response="yes") for number in batch)
        took.update(dict.fromkeys(batch, seconds / size))
        # a kill at any moment from here to the end of the next batch finds this on disk
        lost = took.keys() - written(tmp_path)
        assert sum(took[number] for number in lost) < PART_SECONDS
        assert not lost or lost == set(range(min(lost), first + size)), "the last ones, in order"


def test_a_quick_run_is_written_before_the_time_is_up(clock: list[float], tmp_path: Path) -> None:
    recorder = LensRecorder(run_info(), tmp_path, thumbnails=False)
    for number in range(600):
        recorder.add([SampleRecord(task="t", doc_id=number, kind="generate", response="yes")])
    assert written(tmp_path) == set(range(512))
