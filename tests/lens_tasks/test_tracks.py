"""The reader of tracks: what it gives of perception_mini, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from lens_tasks.folders import FOLDER_VARIABLE, MINIS, MissingDataError
from lens_tasks.regions import BoxError
from lens_tasks.targets import target_for
from lens_tasks.tasks.perception import video_file
from lens_tasks.tracks import tracks_of


def track(**changes):
    fields = {
        "id": 3, "label": "red cube", "is_occluder": 0, "bounding_boxes": [[0.1, 0.2, 0.3, 0.4], [0.2, 0.2, 0.4, 0.4]],
        "frame_ids": [0, 30], "timestamps": [0, 1_000_000], "is_masked": [0, 1],
    }  # fmt: skip
    return {**fields, **changes}


def test_a_track_as_perception_test_has_it():
    (found,) = tracks_of({"tracks": [track()]})
    assert (found.id, found.label, found.is_occluder, found.role, found.visible) == (
        3,
        "red cube",
        False,
        "asked",
        None,
    )
    np.testing.assert_array_equal(found.boxes, [[0.1, 0.2, 0.3, 0.4], [0.2, 0.2, 0.4, 0.4]])
    assert (found.boxes.dtype, found.frame_ids.dtype, found.is_masked.dtype) == (np.float64, np.int64, np.bool_)
    assert found.is_masked.tolist() == [False, True]
    assert (found.place(30), found.place(15)) == (1, None)


def test_an_object_that_is_nowhere_has_empty_arrays():
    nowhere = track(bounding_boxes=[], frame_ids=[], timestamps=[], is_masked=[])
    assert tracks_of({"tracks": [nowhere]})[0].boxes.shape == (0, 4)


def test_a_document_without_tracks_has_none():
    assert tracks_of({"question": "?"}) is None
    assert tracks_of(None) is None
    assert tracks_of({"tracks": []}) == ()


@pytest.mark.parametrize(
    ("tracks", "status", "text"),
    [
        ("[]", "bad_form", "tracks is str; expected a list"),
        ([{"id": 1}], "bad_form", "track 0 has no label"),
        ([track(), track()], "bad_form", "tracks have the ids"),
        ([track(timestamps=[0])], "bad_form", "has 1 timestamps for 2 frame_ids"),
        ([track(visible=[1.0])], "bad_form", "has 1 visible for 2 frame_ids"),
        ([track(bounding_boxes=[[0, 0, 1], [0, 0, 1, 1]])], "bad_form", "bounding_boxes cannot be read"),
        ([track(bounding_boxes=[[0.1, 0.2, 0.3], [0.2, 0.2, 0.4]])], "bad_form", "four numbers"),
        ([track(frame_ids=[30, 0])], "bad_form", "do not rise"),
        ([track(role="subject")], "bad_form", "expected one of asked, anchor, other"),
        ([track(bounding_boxes=[[0.3, 0.2, 0.1, 0.4]] * 2)], "swapped", "ends before it begins"),
        ([track(bounding_boxes=[[0.3, 0.2, 0.3, 0.4]] * 2)], "zero_area", "has no area"),
        ([track(bounding_boxes=[[3, 2, 30, 40]] * 2)], "units", "expected shares"),
        ([track(bounding_boxes=[[float("nan"), 0, 1, 1]] * 2)], "units", "expected shares"),
    ],
)
def test_what_cannot_be_meant_is_refused(tracks, status, text):
    with pytest.raises(BoxError, match=text) as error:
        tracks_of({"tracks": tracks})
    assert error.value.status == status


def test_every_document_of_perception_mini_can_be_read():
    for doc in pq.read_table(MINIS / "perception_mini.parquet").to_pylist():
        tracks = tracks_of(doc)
        assert any(each.role == "asked" for each in tracks)
        for each in tracks:
            np.testing.assert_array_equal(each.is_masked, each.visible == 0.0)
            np.testing.assert_array_equal(each.timestamps, each.frame_ids * 500_000)


def test_a_target_with_and_without_a_right_answer():
    doc = {"video_name": "video_1", "question": "?", "options": ["a cup", "a pen", "a car"], "answer_id": "2"}
    found = target_for("perception_mini", {**doc, "question_id": "7"}, gold="2")
    assert (found.gold, found.cluster, found.question_type, found.note) == ("C", "video_1", "7", None)
    assert target_for("perception_mini", {**doc, "answer_id": "-1"}).gold is None
    strange = target_for("perception_mini", {**doc, "answer_id": "3"})
    assert "an answer_id is the place of one of 3 options, found '3'" in strange.note
    assert "has options, found None" in target_for("perception_mini", {**doc, "options": None}).note


def test_a_video_is_unpacked_once(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    path = Path(video_file("video_0003"))
    assert path.suffix == ".mp4" and list((tmp_path / "perception_mini").iterdir()) == [path]
    path.write_bytes(b"kept")
    assert video_file("video_0003") == str(path) and path.read_bytes() == b"kept"


def test_a_video_that_is_not_there_or_cannot_be_unpacked(tmp_path, monkeypatch):
    with pytest.raises(MissingDataError, match="no video 'video_9999'"):
        video_file("video_9999")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(MissingDataError, match="set MMLENS_DATA to a folder that can be written to"):
        video_file("video_0003")
