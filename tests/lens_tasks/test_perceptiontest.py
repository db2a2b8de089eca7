"""The official annotations of Perception Test beside the documents of the stock task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness_ext.cli import app
from lens_tasks.folders import FOLDER_VARIABLE, MissingDataError
from lens_tasks.regions import regions_of
from lens_tasks.targets import target_for
from lens_tasks.tasks.perceptiontest import prepare

TASK = "perceptiontest_val_mc"


def track(number: int, label: str, **changes):
    """As an annotation file has it."""
    fields = {
        "id": number, "label": label, "is_occluder": 0, "bounding_boxes": [[0.1, 0.2, 0.3, 0.4], [0.2, 0.2, 0.4, 0.4]],
        "initial_tracking_box": [1, 0], "frame_ids": [0, 30], "timestamps": [0, 1_000_000], "is_masked": [0, 1],
    }  # fmt: skip
    return {**fields, **changes}


def doc(question: str, video: str = "video_8241"):
    return {
        "video_name": video, "question": question, "question_id": "0", "options": ["a cup", "a pen", "a book"],
        "answer_id": "1", "area": "Memory", "reasoning": "Descriptive", "tag": ["motion"],
    }  # fmt: skip


@pytest.fixture
def annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "data"))
    labels = ["red cup", "blue cup", "pen", "wooden box", "glass box", "lamp"]
    video = {
        "metadata": {"split": "valid", "video_id": "video_8241", "frame_rate": 30, "num_frames": 61},
        "object_tracking": [track(number, label) for number, label in enumerate(labels)],
        "mc_question": [{"id": 0, "question": "?", "options": ["a", "b", "c"], "answer_id": 1}],
    }
    folder = tmp_path / "valid_annotations"
    folder.mkdir()
    (folder / "all_valid.json").write_text(json.dumps({"video_8241": video}))
    (folder / "ids.json").write_text("[1, 2]")
    return folder


def asked(question: str, **changes) -> list[str]:
    tracks = regions_of(TASK, {**doc(question), **changes}).tracks
    assert tracks is not None
    return [each.label for each in tracks if each.role == "asked"]


def test_the_tracks_of_a_video_are_found_by_its_name(annotations: Path):
    assert regions_of(TASK, doc("Where is the pen?")).tracks is None
    prepare(annotations)
    tracks = regions_of(TASK, doc("Where is the pen?")).tracks
    assert tracks is not None and [each.label for each in tracks][:3] == ["red cup", "blue cup", "pen"]
    assert tracks[2].frame_ids.tolist() == [0, 30] and tracks[2].is_masked.tolist() == [False, True]
    assert tracks[2].boxes[0] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert regions_of(TASK, doc("Where is the pen?", "video_1")).tracks is None
    assert regions_of("another_task", doc("Where is the pen?")).tracks is None


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        ("Where is the pen?", ["pen"]),
        ("Where is the red cup?", ["red cup"]),
        ("How many cups are there?", ["red cup", "blue cup"]),
        ("Where is the cup?", []),  # which of the two is not said
        ("How many boxes are there?", ["wooden box", "glass box"]),
        ("What is behind the lamps?", ["lamp"]),
        ("What did the person put on the table?", []),
        ("Is it a pencil?", []),
    ],
)
def test_what_a_question_names_is_asked_about(annotations: Path, question: str, labels: list[str]):
    prepare(annotations)
    assert asked(question) == labels
    assert asked(question, options=["the pen", "the lamp", "a red cup"]) == labels, "options are no part of it"


def test_a_list_says_what_else_is_asked_about(annotations: Path, tmp_path: Path):
    file = tmp_path / "asked.json"
    file.write_text(json.dumps({"What did the person put on the table?": ["Lamp", "pen"]}))
    prepare(annotations, file)
    assert asked("What did the person put on the table?") == ["pen", "lamp"]
    assert asked("Where is the red cup?") == ["red cup"]
    for content, problem in (("{", "cannot be read"), ('{"a": "pen"}', "something else"), ("[]", "something else")):
        file.write_text(content)
        with pytest.raises(ValueError, match=problem):
            prepare(annotations, file)


def write(folder: Path, **changes) -> None:
    (folder / "all_valid.json").write_text(json.dumps({"v": {"object_tracking": [track(0, "pen", **changes)]}}))


def test_boxes_are_cut_off_at_the_frame_and_what_is_left_out_has_no_box(annotations: Path):
    write(annotations, bounding_boxes=[[-0.02, 0.2, 0.3, 1.004], [0.2, 0.2, 0.2, 0.4]])
    prepare(annotations)
    (found,) = regions_of(TASK, doc("pen", "v")).tracks or ()
    assert found.boxes[0] == pytest.approx([0, 0.2, 0.3, 1]) and found.frame_ids.tolist() == [0]
    write(annotations, is_masked=[], is_occluder=-1)  # as outside of cups games
    prepare(annotations)
    (found,) = regions_of(TASK, doc("pen", "v")).tracks or ()
    assert not found.is_masked.any() and not found.is_occluder


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"bounding_boxes": [[10, 20, 30, 40]] * 2}, "expected shares"),
        ({"timestamps": [0]}, "1 timestamps for 2 boxes"),
        ({"frame_ids": ["a", "b"]}, "no object tracks"),
    ],
)
def test_what_cannot_be_meant_is_refused(annotations: Path, changes, problem: str):
    write(annotations, **changes)
    with pytest.raises(ValueError, match=f"all_valid.json, v: no object tracks.*{problem}|{problem}"):
        prepare(annotations)


def test_the_command_says_where_it_wrote_and_what_is_wrong(annotations: Path, tmp_path: Path):
    done = CliRunner().invoke(app, ["prepare", "perceptiontest", str(annotations)])
    assert done.exit_code == 0 and "tracks.parquet" in done.output
    (annotations / "all_valid.json").write_text("{")
    with pytest.raises(ValueError, match="is no JSON"):
        prepare(annotations)
    (annotations / "all_valid.json").unlink()
    with pytest.raises(MissingDataError, match="no JSON file with object_tracking"):
        prepare(annotations)
    with pytest.raises(MissingDataError, match=r"download valid_annotations\.zip"):
        prepare(tmp_path / "nothing")


def test_targets_are_clustered_by_video_and_typed_by_question():
    found = target_for(TASK, doc("Where is the pen?"), gold="1")
    assert (found.gold, found.cluster, found.question_type) == ("B", "video_8241", "Where is the pen?")
    assert [candidate.label for candidate in found.candidates] == ["A", "B", "C"] and found.note is None
    assert target_for(TASK, {**doc("?"), "answer_id": "-1"}).gold is None
