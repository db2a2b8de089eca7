"""The Python API on videos: the harness's own record, maps frame by frame, tracks, errors that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from lens_engine import VisionLanguageModel, load
from lens_engine.picture_map import PictureMap
from lens_models import InputError, LensArgumentError
from lens_models.video import open_video
from lens_tasks.folders import MINIS
from lens_tasks.tasks.perception import doc_to_text


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = pq.read_table(MINIS / "perception_mini.parquet").slice(0, 1).to_pylist()[0]
    return found


@pytest.fixture(scope="module")
def content(document: dict[str, Any]) -> bytes:
    videos = pq.read_table(MINIS / "perception_mini_videos.parquet").to_pylist()
    return next(each["video"] for each in videos if each["video_name"] == document["video_name"])


@pytest.fixture(scope="module")
def vlm() -> VisionLanguageModel:
    return load(device="cpu", probes="image_tokens+attention")


@pytest.fixture(scope="module")
def answer(vlm: VisionLanguageModel, document: dict[str, Any], content: bytes) -> Any:
    return vlm.ask(None, doc_to_text(document), ["A", "B", "C"], video=content, tracks=document["tracks"], words="cup")


def test_the_frames_are_shown_with_their_times(answer: Any) -> None:
    (shown,) = answer.record.videos
    assert (shown["frames"], shown["times"][1]) == (16, 0.5)
    np.testing.assert_array_equal(answer.record.probes["video_tokens"]["times"][16], [1.0, 1.5])


def test_a_map_is_gone_through_frame_by_frame(answer: Any) -> None:
    whole = answer.attention(5)
    assert len(whole.values) == 8 * 16 and len(whole.pictures) == 16
    first, second, third = (whole.frame(number) for number in (0, 1, 2))
    assert first.grid.shape == (4, 4) and len(first.pictures) == 1
    np.testing.assert_array_equal(first.values, second.values)  # a token stands for two frames
    assert not np.array_equal(first.values, third.values)
    assert whole.by_frame.shape == (16,)
    assert whole.by_frame.sum() == pytest.approx(whole.values.sum(), rel=1e-5)
    assert whole.by_frame[0] == pytest.approx(first.values.sum() / 2, rel=1e-5)
    assert first.plot().get_title(loc="left") == "attention of the answer, layer 5, frame 0"


def test_the_pixels_of_a_frame_are_those_that_were_shown(answer: Any, content: bytes) -> None:
    frames = open_video(content, where="test").frames
    np.testing.assert_array_equal(np.asarray(answer.heatmap(word="cup").frame(7).pictures[0]), frames[7])


def test_tracks_are_held_against_the_maps(answer: Any) -> None:
    assert {"box_lift", "word_box_lift"} <= answer.record.gold_based.keys()
    assert {"box", "frame", "seen"} <= answer.record.probes["tracks"].keys()


def test_what_is_wrong_is_said(vlm: VisionLanguageModel, answer: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"video=nowhere\.mp4: no such file"):
        vlm.ask(None, "What?", video="nowhere.mp4")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(InputError, match="empty"):
        vlm.ask(None, "What?", video=empty)
    with pytest.raises(LensArgumentError, match="tracks"):
        vlm.ask(
            None, "What?", video=np.zeros((2, 64, 64, 3), dtype=np.uint8), tracks=[{"bounding_boxes": [[0, 0, 1, 1]]}]
        )
    whole = answer.attention(5)
    for wrong in (lambda: whole.grid, whole.plot):
        with pytest.raises(ValueError, match=r"frame\(number\)"):
            wrong()
    with pytest.raises(ValueError, match="expected one from 0 to 15"):
        whole.frame(16)
    picture = PictureMap(np.ones(1, np.float32), np.zeros((1, 4), np.float32), np.zeros(1, np.int64), 1, "")
    with pytest.raises(ValueError, match="no frames"):
        picture.frame(0)
