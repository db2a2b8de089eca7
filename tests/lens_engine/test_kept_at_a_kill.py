"""What is on disk when a run is killed (docs/faults.md): all but five seconds of work and the batch under way.

Answers wait to be read together, and records to be written together; a kill finds both.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lens_engine.recorder import LensRecorder
from lens_engine.sample import Reference, Sample
from lens_engine.waiting import TOGETHER, WaitingAnswers
from lens_results import LensInfo, ModelInfo, RunInfo, SampleRecord
from lens_tasks import AnswerTarget

SECONDS = 5.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def run_info() -> RunInfo:
    model = ModelInfo(name_or_path="stub", n_layers=2, hidden_size=8, vocab_size=16)
    return RunInfo(run_id="r", model=model, lens=LensInfo(layer_index=(1, 2)))


def sample(number: int) -> Sample:
    return Sample(("t", number, 0, 0), "prompt", make_reference=lambda: Reference(AnswerTarget()))


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
    recorder, waiting = LensRecorder(run_info(), tmp_path, thumbnails=False), WaitingAnswers[str]()
    took: dict[int, float] = {}
    for first in range(0, 60 * size, size):
        seconds = drawn.choice((quick, slow)) * drawn.uniform(0.5, 1)
        clock[0] += seconds
        batch = range(first, first + size)
        if waiting.add([sample(number) for number in batch], ["yes"] * size, 0):
            taken, texts = waiting.take()
            recorder.add(
                SampleRecord(task="t", doc_id=each.key[1], kind="generate", response=text)
                for each, text in zip(taken, texts, strict=True)
            )
        took.update(dict.fromkeys(batch, seconds / size))
        # a kill at any moment from here to the end of the next batch finds this on disk
        lost = took.keys() - written(tmp_path)
        assert sum(took[number] for number in lost) < SECONDS
        assert not lost or lost == set(range(min(lost), first + size)), "the last ones, in order"


def test_a_quick_run_is_written_before_the_time_is_up(clock: list[float], tmp_path: Path) -> None:
    recorder = LensRecorder(run_info(), tmp_path, thumbnails=False)
    for number in range(600):
        recorder.add([SampleRecord(task="t", doc_id=number, kind="generate", response="yes")])
    assert written(tmp_path) == set(range(512))


def test_answers_wait_for_others_and_come_in_order(clock: list[float]) -> None:
    waiting: WaitingAnswers[int] = WaitingAnswers()
    for number in range(TOGETHER - 1):
        clock[0] += 0.01
        assert not waiting.add([sample(number)], [number], 0)
    assert waiting.add([sample(TOGETHER - 1)], [TOGETHER - 1], 0)
    taken, answers = waiting.take()
    assert [each.key[1] for each in taken] == answers == list(range(TOGETHER))
    assert waiting.take() == ([], [])


def test_what_gains_nothing_by_waiting_is_read_with_what_waits(clock: list[float]) -> None:
    waiting: WaitingAnswers[int] = WaitingAnswers()
    assert not waiting.add([sample(0)], [0], 0)
    assert waiting.add([sample(1)], [1], None)
    assert waiting.take()[1] == [0, 1]


def test_much_memory_does_not_wait(clock: list[float]) -> None:
    waiting: WaitingAnswers[int] = WaitingAnswers()
    held = [waiting.add([sample(number)], [number], 12 * 2**20) for number in range(3)]
    assert held == [False, False, True]
    waiting.take()
    assert not waiting.add([sample(3)], [3], 12 * 2**20), "what was taken is held no more"
