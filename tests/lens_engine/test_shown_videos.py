"""What a record says of the videos of a prompt, and which changes of them make another definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_videos import pictures, write_video

from lens_engine.media import Media
from lens_engine.sample import Sample
from lens_models.video import VideoSampling, open_video
from lens_results import SampleRecord


def sample(video: object, **sampling: Any) -> Sample:
    shown = open_video(video, where="here", sampling=VideoSampling(**sampling))
    return Sample(("t", 0, 0, 0), "What moves?", Media(videos=(shown,)))


def record(asked: Sample) -> SampleRecord:
    return SampleRecord(task="t", doc_id=0, kind="generate", videos=asked.media.video_records)


def test_a_record_keeps_what_was_shown(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(60, 48, 32))
    asked = sample({"path": path, "video_start": 0.5}, max_frames=3)
    (kept,) = record(asked).videos
    assert kept["times"] == pytest.approx((0.5, 37 / 30, 59 / 30))
    assert kept["duration"] == pytest.approx(1.5)
    expected = {"source": "a.mp4", "frames": 3, "width": 48, "height": 32, "fps": 30.0, "start": 0.5, "end": None}
    assert {name: kept[name] for name in expected} == expected
    assert kept["sha256"] == asked.media.videos[0].sha256


def test_what_is_not_known_is_absent() -> None:
    (kept,) = record(sample(pictures(4, 48, 32))).videos
    assert {name for name, value in kept.items() if value is not None} == {"sha256", "frames", "width", "height"}


def test_other_frames_or_times_are_another_definition(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(60, 48, 32))
    again = tmp_path / "b.mp4"
    again.write_bytes(Path(path).read_bytes())
    whole = sample(path).fingerprint
    assert sample(str(again)).fingerprint == whole
    for other in (
        sample(path, max_frames=31),
        sample({"path": path, "video_end": 1}),
        sample(sample(path).media.videos[0].frames),
    ):
        changed = {name for name, digest in other.fingerprint.items() if digest != whole[name]}
        assert changed == {"media"}
