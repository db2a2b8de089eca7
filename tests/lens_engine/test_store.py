"""The store of records beside a harness's cache: what comes back, what is computed, what stays on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cached_runs import stored
from PIL import Image

from lens_engine import Generation, Media, Request, Sample
from lens_engine.record_cache import RecordCache
from lens_engine.recorder import LensRecorder
from lens_engine.sample import Reference
from lens_models.audio import Sound
from lens_results import (
    LensInfo,
    MissingRecordError,
    ModelInfo,
    RunInfo,
    SampleRecord,
    load_all,
    new_run_id,
    store_files,
)
from lens_results.fingerprint import digest_of
from lens_results.record import Key
from lens_tasks import AnswerTarget
from lens_tasks.target_types import Candidate

GREEDY = {"max_new_tokens": 4, "temperature": 0}


@dataclass
class Harness:
    """Runs of one task of three documents with one store; `run` tells which answers the model was asked for."""

    folder: Path
    told: list[str] = field(default_factory=list)
    controls: Any = None
    part: dict[str, Any] = field(default_factory=lambda: {"dtype": "float32", "lens": {"norm": "final"}})

    def run(self, requests: Sequence[Sample], *, rank: int = 0, end: bool = True, **record: Any) -> list[Key]:
        info = RunInfo(new_run_id(), ModelInfo("m", 3), LensInfo((1, 2, 3)), fingerprint=self.part)
        recorder = LensRecorder(info, None, rank=rank)
        self.told.clear()
        store = RecordCache(self.folder, recorder, self.told.append, self.controls)
        asked: list[Key] = []

        def ask(places: list[int]) -> list[Generation]:
            for place in places:
                asked.append(requests[place].key)
                if not requests[place].padding:
                    recorder.add([made(requests[place], **record)])
            return [Generation("yes")] * len(places)

        cached = [Request(each.key, each.generation, lambda each=each: each, each.padding) for each in requests]
        assert store.answers(cached, ask) == [Generation("yes")] * len(requests)
        assert len(recorder) == sum(not each.padding for each in requests), "every sample has its record"
        recorder.flush()
        if end:
            recorder.close()
        return asked


def made(request: Sample, **changes: Any) -> SampleRecord:
    task, doc_id, request_idx, repeat = request.key
    fields: dict[str, Any] = {"response": "yes", "entropy": np.ones(3), "fingerprint": request.fingerprint}
    return SampleRecord(
        task=task, doc_id=doc_id, request_idx=request_idx, repeat=repeat, kind="generate", **(fields | changes)
    )


def requests(n: int = 3, **changes: Any) -> list[Sample]:
    known = {"target": AnswerTarget((), None, ("yes",)), "task_definition": "1"}
    known |= {name: changes.pop(name) for name in known if name in changes}
    plain = Sample(
        ("t", 0, 0, 0), "<image>A cat?", Media((picture("grey"),)), question="A cat?", split="test", generation=GREEDY,
        make_reference=lambda: Reference(**known),
    )  # fmt: skip
    return [replace(plain, key=("t", number, 0, 0), **changes) for number in range(n)]


def picture(colour: str) -> Image.Image:
    return Image.new("RGB", (2, 2), colour)


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path / "store")


KEYS = [("t", number, 0, 0) for number in range(3)]


def test_a_rerun_asks_nothing_and_writes_nothing(harness: Harness) -> None:
    assert harness.run(requests()) == KEYS
    assert harness.told == [], "an empty store is no news"
    before = {path: path.stat().st_size for path in harness.folder.rglob("*") if path.is_file()}
    for _ in range(3):
        assert harness.run(requests()) == []
    assert harness.told == ["Lens: 3 of 3 answers are those of earlier runs, with their records"]
    assert {path: path.stat().st_size for path in harness.folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"prompt": "<image>A dog?"}, "prompt"),
        ({"media": Media((Image.new("RGB", (2, 2), "red"),))}, "media"),
        (
            {"media": Media((Image.new("RGB", (2, 2), "grey"),), audios=(Sound(np.zeros(4, np.float32), 16_000),))},
            "media",
        ),
        ({"generation": {**GREEDY, "no_repeat_ngram_size": 2}}, "generation"),
        ({"target": AnswerTarget((), None, ("no",))}, "target"),
        ({"task_definition": "2"}, "task"),
        ({"question": "A Cat?"}, "task"),
    ],
)
def test_one_part_of_a_sample_makes_it_anew(harness: Harness, changes: dict[str, Any], part: str) -> None:
    harness.run(requests())
    other = [requests()[0], *requests(**changes)[1:]]
    assert harness.run(other) == KEYS[1:]
    assert harness.told == [
        "Lens: 1 of 3 answers are those of earlier runs, with their records; 2 are computed: "
        f"2 with another fingerprint ({part})"
    ]
    assert harness.run(other) == []
    same_answer = part in ("target", "task")
    assert harness.run(requests()) == (KEYS[1:] if same_answer else []), "of one answer the last record stays"
    assert stored(harness.folder) == (3 if same_answer else 5)


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"dtype": "bfloat16", "lens": {"norm": "final"}}, "dtype"),
        ({"dtype": "float32", "lens": {"norm": "none"}}, "lens.norm"),
        ({"dtype": "float32", "lens": {"norm": "final"}, "adapter": {"r": 4}}, "adapter"),
        ({}, "no fingerprint"),
    ],
)
def test_another_run_part_makes_all_anew_and_keeps_both(harness: Harness, part: dict[str, Any], named: str) -> None:
    harness.run(requests())
    plain, harness.part = harness.part, part
    assert harness.run(requests()) == KEYS
    assert f"3 are computed: 3 with another fingerprint ({named})" in harness.told[0]
    harness.part = plain
    assert harness.run(requests()) == []
    assert stored(harness.folder) == 6


def test_repeats_are_records_of_their_own_and_new_ones_are_called_new(harness: Harness) -> None:
    repeated = [replace(each, key=(*each.key[:3], repeat)) for each in requests() for repeat in range(3)]
    assert harness.run(repeated[:4]) == [each.key for each in repeated[:4]]
    assert harness.run(repeated) == [each.key for each in repeated[4:]]
    assert harness.told[0].endswith("5 are computed: 5 new")
    assert stored(harness.folder) == 9


def test_sampled_answers_are_never_taken_nor_stored(harness: Harness) -> None:
    for generation in ({"temperature": 0.8}, {"do_sample": True, "temperature": 0.0}):
        for _ in range(2):
            assert harness.run(requests(generation=generation)) == KEYS
    assert not list(harness.folder.rglob("*.parquet"))


def test_a_killed_run_continues_and_its_parts_do_not_double(harness: Harness) -> None:
    harness.run(requests(2), end=False)
    assert harness.run(requests()) == KEYS[2:]
    assert harness.run(requests()) == []
    assert stored(harness.folder) == 3


def test_what_was_not_read_is_read_again_and_takes_its_place(harness: Harness) -> None:
    harness.run(requests(), status="capture_failed", status_reason="memory", entropy=None)
    assert harness.run(requests()) == KEYS
    assert "3 not read before" in harness.told[0]
    assert [record.status for run in load_all(store_files(harness.folder)) for record in run.records()] == ["ok"] * 3


def test_padding_is_answered_and_not_recorded(harness: Harness) -> None:
    padded = [*requests(), *requests(1, padding=True)]
    assert harness.run(padded) == [*KEYS, KEYS[0]]
    assert harness.run(padded, rank=1) == []
    assert stored(harness.folder) == 3


def test_a_damaged_file_costs_its_own_records_alone(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    harness.run(requests(1))
    (first,) = harness.folder.glob("*.parquet")
    harness.run(requests())
    first.write_bytes(first.read_bytes()[:200])
    assert harness.run(requests()) == KEYS[:1]
    assert "some records beside the cache cannot be read and are made anew" in caplog.text


def test_other_sounds_are_told_apart() -> None:
    samples = np.zeros(4, dtype=np.float32)
    sounds = [Sound(samples, 16_000), Sound(samples, 8_000), Sound(samples + 1, 16_000), Sound(samples[:2], 16_000)]
    digests = Media(audios=tuple(sounds)).other_sha256
    assert len(set(digests)) == len(sounds)
    assert Media(audios=(Sound(samples.copy(), 16_000, "another.wav"),)).other_sha256 == digests[:1]


def test_a_store_is_no_run_of_its_own_when_folders_are_searched(harness: Harness, tmp_path: Path) -> None:
    harness.run(requests())
    harness.run(requests(5), end=False)
    for folder in (tmp_path, harness.folder):
        with pytest.raises(MissingRecordError, match="found no lens_"):
            load_all(folder)
    assert stored(harness.folder) == 5


def test_an_image_that_another_document_lends_is_part_of_the_record(harness: Harness, tmp_path: Path) -> None:
    class Lending:
        def __init__(self, digest: str) -> None:
            self.digest = digest

        def borrowed(self, request: Sample) -> str:
            return self.digest

    harness.controls = Lending("a")
    harness.run(requests(), fingerprint={**requests()[0].fingerprint, "borrowed": "a"})
    assert harness.run(requests()) == []
    harness.controls = Lending("b")
    assert harness.run(requests()) == KEYS
    assert "3 with another fingerprint (borrowed)" in harness.told[0]


def test_the_digest_of_a_target_takes_in_all_of_it() -> None:
    """As `asdict` writes it: a digest that changed would make every stored answer's readout be computed again."""
    yes, no = Candidate("yes", ("yes", " Yes"), "yes_no", "right"), Candidate("no", ("no",))
    target = AnswerTarget((yes, no), "yes", ("yes",), "a", "kind", ("yes", "no"), (no, yes), note="n", choices=("yes",))
    sample = Sample(("task", 0, 0, 0), "prompt", make_reference=lambda: Reference(target))
    assert sample.fingerprint["target"] == digest_of(asdict(target))
