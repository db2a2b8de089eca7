"""Which runs of a task may be compared: what differs is named, and other gold answers are left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic import write_run

from lens_report.measures.comparability import differing, flags
from lens_report.measures.comparison import compare
from lens_report.measures.task_run import TaskRun, task_runs
from lens_report.presentation.findings.inputs import comparison_blocks
from lens_results import RecordWriter, SampleRecord, load, merge

Change = Callable[[SampleRecord], dict[str, Any]]


@pytest.fixture
def runs(tmp_path: Path) -> Callable[..., list[TaskRun]]:
    """A run of 60 samples, and copies of it with some fields of the records changed."""

    def made(*changes: Change, task: str | None = "1") -> list[TaskRun]:
        write_run(tmp_path / "first", n=60)
        first = load(tmp_path / "first")
        found = []
        for number, change in enumerate((lambda record: {}, *changes)):
            info = replace(first.info, run_id=f"run{number}")
            with RecordWriter(tmp_path / str(number), info) as writer:
                for record in first.records():
                    own = {} if task is None else {"fingerprint": {"task": task}}
                    writer.append(replace(record, **{**own, **change(record)}))
            merge(tmp_path / str(number), info.run_id)
            found += task_runs(load(tmp_path / str(number)))
        return found

    return made


CHANGES: list[tuple[str, Change]] = [
    ("questions", lambda record: {"question": "asked in other words" if record.doc_id == 7 else record.question}),
    ("images", lambda record: {"image_sha256": ("other",) if record.doc_id == 7 else record.image_sha256}),
    ("labels", lambda record: {"gold": ("perhaps",) if record.doc_id == 7 else record.gold}),
    ("task", lambda record: {"fingerprint": {"task": "2"}}),
]


@pytest.mark.parametrize(("aspect", "change"), CHANGES, ids=[aspect for aspect, _ in CHANGES])
def test_one_sample_that_differs_is_named(runs: Callable[..., list[TaskRun]], aspect: str, change: Change) -> None:
    same, also, other = runs(lambda record: {}, change)
    assert differing(same, also) == ()
    assert differing(same, other) == (aspect,)
    assert flags([same, also, other]) == [(), (), (f"{aspect} differs",)]


def test_other_frames_of_one_video_are_named(runs: Callable[..., list[TaskRun]]) -> None:
    def videos(digest: str) -> Change:
        return lambda record: {"videos": ({"sha256": digest if record.doc_id == 7 else "same", "source": "a.mp4"},)}

    older, one, same, other = runs(videos("a"), videos("a"), videos("b"))
    assert differing(one, same) == differing(older, one) == ()
    assert differing(one, other) == ("videos",)


def test_another_sound_is_named(runs: Callable[..., list[TaskRun]]) -> None:
    def sounds(digest: str) -> Change:
        return lambda record: {"sounds": ({"sha256": digest if record.doc_id == 7 else "same", "rate": 16_000},)}

    _, one, same, other = runs(sounds("a"), sounds("a"), sounds("b"))
    assert (differing(one, same), differing(one, other)) == ((), ("sounds",))


def test_files_without_a_fingerprint_are_compared_by_what_they_have(runs: Callable[..., list[TaskRun]]) -> None:
    new, old = runs(lambda record: {"fingerprint": {}})
    assert differing(new, old) == ()
    (aspect, change), *_ = CHANGES
    old, other = runs(change, task=None)
    assert differing(old, other) == (aspect,)


def test_samples_with_other_gold_answers_are_left_out_of_a_comparison(runs: Callable[..., list[TaskRun]]) -> None:
    def relabelled(record: SampleRecord) -> dict[str, Any]:
        if record.doc_id >= 5:
            return {}
        return {"gold": ("no",) if record.gold == ("yes",) else ("yes",), "correct": not record.correct}

    first, other = runs(relabelled)
    found = compare(first, other)
    assert (found.relabelled, found.differs) == (5, ("labels",))
    assert found.result.difference.n == 55
    assert found.result.difference.value == 0.0, "the models are the same; only the labels differ"
    text = str(comparison_blocks([found]))
    assert "have other gold answers" in text
    assert "so their difference is not that of two models alone" in text
    assert (compare(first, first).relabelled, compare(first, first).differs) == (0, ())


def test_one_checkpoint_under_two_engines_is_said_with_what_differs(tmp_path: Path) -> None:
    checkpoint = {"model.safetensors": "ab12", "config.json": "cd34"}
    ways: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
        "plain": ({"attention": "sdpa"}, {"transformers": "5.23.0"}),
        "served": ({"attention": "vllm"}, {"transformers": "5.23.0", "vllm": "0.32.0"}),
        "other": ({"attention": "sdpa", "checkpoint": {"config.json": "ef56"}}, {"transformers": "5.23.0"}),
        "unknown": ({"attention": "vllm", "checkpoint": {"name": "acme/a", "commit": None}}, {"vllm": "0.32.0"}),
    }
    write_run(tmp_path / "made", n=60)
    made = load(tmp_path / "made")
    found = {}
    for name, (own, versions) in ways.items():
        parts = {"checkpoint": checkpoint, "adapter": None, "dtype": "float32", **own}
        info = replace(made.info, run_id=name, fingerprint=parts, versions=versions)
        with RecordWriter(tmp_path / name, info) as writer:
            for record in made.records():
                changed = name == "served" and record.doc_id == 7
                writer.append(replace(record, response="in other words" if changed else record.response))
        merge(tmp_path / name, info.run_id)
        (found[name],) = task_runs(load(tmp_path / name))
    same = compare(found["plain"], found["served"])
    one = same.one_checkpoint
    assert one is not None
    assert (one.first, one.second) == ("transformers 5.23.0", "vLLM 0.32.0")
    assert (one.parts, one.equal, one.n) == (("attention",), 59, 60)
    assert same.differs == ()
    text = "".join(str(block) for block in comparison_blocks([same]))
    assert "ran one checkpoint" in text and "defined alike" in text
    assert compare(found["plain"], found["other"]).one_checkpoint is None
    assert compare(found["unknown"], found["unknown"]).one_checkpoint is None
