"""Tracks in the frames that are shown: annotated ones, those between them, and those of which nothing is said."""

from __future__ import annotations

import numpy as np
import pytest

from lens_tasks.regions import BoxError, Regions, regions_of
from lens_tasks.tracks import placed_tracks, tracks_of


def entry(frames: list[int], **changes):
    """An object that moves to the right by a two-hundredth of the width a frame, annotated in some frames."""
    fields = {
        "id": 1, "label": "red cup", "is_occluder": 0, "frame_ids": frames, "timestamps": frames,
        "bounding_boxes": [[frame / 200, 0.2, frame / 200 + 0.1, 0.4] for frame in frames],
        "is_masked": [0] * len(frames),
    }  # fmt: skip
    return {**fields, **changes}


def placed(entries, frames):
    tracks = tracks_of({"tracks": entries})
    assert tracks is not None
    return {each.image: each for each in placed_tracks(tracks, frames) if each.track == 1}


def test_annotated_frames_and_those_on_the_way():
    found = placed([entry([0, 30, 60])], [0, 7, 30, 45])
    assert list(found) == [0, 1, 2, 3]
    for place, frame in enumerate([0, 7, 30, 45]):
        np.testing.assert_allclose(found[place].box, [frame / 200, 0.2, frame / 200 + 0.1, 0.4])
        assert (found[place].seen, found[place].role, found[place].label) == (1.0, "asked", "red cup")


def test_before_and_after_what_is_annotated_it_may_be_there_for_a_step():
    found = placed([entry([60, 90]), entry([0, 30, 60, 90, 120], id=2)], [0, 30, 31, 59, 60, 90, 91, 119, 120])
    assert {place: each.box is not None for place, each in found.items()} == {
        2: False, 3: False, 4: True, 5: True, 6: False, 7: False,
    }  # fmt: skip


def test_where_it_left_the_picture_in_between_nothing_is_on_the_way():
    found = placed([entry([0, 30, 90, 120])], [15, 45, 60, 75, 100])
    assert {place: each.box is not None for place, each in found.items()} == {0: True, 1: False, 3: False, 4: True}
    almost = placed([entry([0, 30, 70, 100])], [50])
    assert almost[0].box is not None, "annotated frames are not always as far apart"


def test_hidden_frames_and_the_share_that_is_seen():
    found = placed([entry([0, 30, 60, 90], is_masked=[0, 1, 1, 0])], [0, 15, 30, 45, 60, 75, 90])
    assert [each.seen for each in found.values()] == [1, 0, 0, 0, 0, 0, 1]
    assert [each.box is None for each in found.values()] == [False, True, False, False, False, True, False]
    shares = placed([entry([0, 10], visible=[1.0, 0.5])], [0, 5, 10])
    assert [each.seen for each in shares.values()] == [1.0, 0.75, 0.5]


def test_an_object_that_is_nowhere_or_in_one_frame_alone():
    assert placed([entry([])], [0, 1]) == {}
    once = placed([entry([5])], [4, 5, 6])
    assert {place: each.box is not None for place, each in once.items()} == {1: True}


def test_tracks_are_of_one_video_whose_frames_are_known():
    regions = regions_of("t", {"tracks": [entry([0, 30])]})
    assert [each.image for each in regions.placed([], [[0, 15]])] == [0, 1]
    assert regions.placed([(64, 64)]) == (), "without a video there is nothing for them"
    for frames, sizes, status in (
        ([None], [], "no_frames"),
        ([[0], [0]], [], "no_picture"),
        ([[0]], [(9, 9)], "no_picture"),
    ):
        with pytest.raises(BoxError) as error:
            regions.placed(sizes, frames)
        assert error.value.status == status


def test_the_words_of_a_label_that_all_of_what_is_asked_about_share():
    def labels(*entries):
        return Regions(tracks=tracks_of({"tracks": list(entries)})).labels

    assert labels(entry([0]), entry([0], id=2), entry([0], id=3, label="pen", role="other")) == ("red", "cup")
    assert labels(entry([0]), entry([0], id=2, label="pen")) == () == Regions().labels


def test_tracks_that_cannot_be_meant_are_an_error_of_the_regions():
    with pytest.raises(BoxError, match="do not rise"):
        regions_of("t", {"tracks": [entry([30, 0])]})
