"""Tokens of videos in boxes by frame, and the same path at another time."""

from __future__ import annotations

import numpy as np
import pytest

from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import box_figures, covered, in_boxes, null_tracks, overlap_of

SIDE = 4
CELLS = [(c / SIDE, r / SIDE, (c + 1) / SIDE, (r + 1) / SIDE) for r in range(SIDE) for c in range(SIDE)]


def tokens(frames: int, joined: int) -> ImageTokens:
    """A grid of 4 x 4 for each `joined` frames."""
    rows = [(at, min(at + joined, frames) - 1) for at in range(0, frames, joined)]
    spans = np.repeat(rows, SIDE * SIDE, axis=0)
    numbers = np.arange(len(spans))
    boxes = np.asarray(CELLS * len(rows), dtype=np.float32)
    return ImageTokens(numbers, np.zeros_like(numbers), boxes, frames=spans)


def test_a_token_of_two_frames_is_in_a_box_of_one_of_them_by_half() -> None:
    found = in_boxes(tokens(4, 2), {1: [CELLS[5]], 2: [CELLS[5]], 3: [CELLS[5]]})
    expected = np.zeros(32)
    expected[5], expected[16 + 5] = 0.5, 1.0
    np.testing.assert_allclose(found, expected)


def test_of_single_frames_each_is_a_picture() -> None:
    video, box = tokens(3, 1), (0.1, 0.2, 0.7, 0.4)
    picture = ImageTokens(np.arange(16), np.zeros(16, np.int64), np.asarray(CELLS, np.float32))
    found = in_boxes(video, {0: [box], 2: [CELLS[0], CELLS[0]]})
    np.testing.assert_array_equal(found[:16], in_boxes(picture, {0: [box]}))
    assert not found[16:32].any() and found[32:].sum() == 1


def test_figures_of_a_planted_map() -> None:
    video = tokens(4, 2)
    track = {0: [CELLS[3]], 1: [CELLS[3]], 2: [CELLS[9]]}  # of the second pair the first frame alone
    heat = np.zeros(32)
    heat[[3, 16 + 9, 16]] = 2.0, 4.0, 2.0
    found = box_figures(heat, covered(video, track))
    assert found.lift[0] == pytest.approx((2 * 1 + 4 * 0.5) / 8 / (1.5 / 32))
    assert found.pointing[0] == 0.5  # its largest token is there in one of its two frames
    assert box_figures(heat, covered(video, track), np.arange(32)[None] < 16).lift[0] == pytest.approx(16)


def test_the_same_path_later_lies_elsewhere_and_comes_back() -> None:
    path = {frame: [CELLS[frame]] for frame in range(8)}
    found = dict(null_tracks(path, path, 8, np.random.default_rng(0)))
    assert sorted(found) == list(range(1, 8))
    assert found[3] == {(frame + 3) % 8: [CELLS[frame]] for frame in range(8)}
    assert len(null_tracks(path, path, 8, np.random.default_rng(0), 2)) == 2


def test_an_object_that_rests_has_no_null_but_one_that_is_there_for_a_while_has() -> None:
    rests = {frame: [CELLS[0]] for frame in range(8)}
    assert null_tracks(rests, rests, 8, np.random.default_rng(0)) == []
    a_while = {frame: [CELLS[0]] for frame in range(4)}
    delays = sorted(delay for delay, _ in null_tracks(a_while, a_while, 8, np.random.default_rng(0)))
    assert delays == [3, 4, 5]  # a quarter of the path, or nothing, is the path itself
    among = sorted(delay for delay, _ in null_tracks(a_while, a_while, 8, np.random.default_rng(0), among={0, 7}))
    assert among == [4], "of these two frames it must have one, and not the first, in which the track is"


def test_overlap_is_the_mean_over_all_boxes() -> None:
    left = (0.0, 0.0, 0.5, 1.0)
    assert overlap_of({0: [left], 1: [left]}, {0: [(0.25, 0.0, 1.0, 1.0)]}) == pytest.approx(0.25)
    assert overlap_of({}, {0: [left]}) == 0


def test_some_tokens_keep_their_frames() -> None:
    video = tokens(5, 2)
    kept = video.only(np.arange(48) >= 16)
    assert kept.frames is not None and np.unique(kept.frames, axis=0).tolist() == [[2, 3], [4, 4]]
