from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lens_results import (
    InvalidRecordError,
    LensResultsError,
    RecordWriteError,
    RecordWriter,
    ThumbnailWriter,
    TruncatedRecordError,
    find_unmerged,
    kept_frames,
    load,
    load_all,
    load_thumbnails,
    merge,
    merge_thumbnails,
)
from lens_results.thumbnails import encode_frames


def sha(number: int) -> str:
    return f"{number:064x}"


def picture(colour: str = "red", size: tuple[int, int] = (400, 200), mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", size, colour).convert(mode)


def decoded(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def write_run(folder: Path, make_record: Any, make_info: Any, *, merged: bool = True) -> Any:
    with RecordWriter(folder, make_info("r")) as writer:
        writer.append(make_record(image_sha256=(sha(1),)))
    if merged:
        merge(folder, "r")
    return load(folder)


def test_pictures_are_small_and_found_by_digest(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    with ThumbnailWriter(tmp_path, "r") as writer:
        assert writer.add(sha(1), picture("blue"))
    path = merge_thumbnails(tmp_path, "r")
    run = write_run(tmp_path, make_record, make_info)
    found = load_thumbnails(run)
    assert path == tmp_path / "lens_thumbnails_r.zip"
    assert decoded(found[sha(1)]).size == (128, 64)
    assert decoded(found[sha(1)]).getpixel((5, 5))[2] > 200
    assert not (tmp_path / ".lens_parts").exists()


def strip(count: int) -> Image.Image:
    """The picture of a video whose frame number n has 2 n in the red channel."""
    frames = np.zeros((count, 60, 120, 3), dtype=np.uint8)
    frames[..., 0] = 2 * np.arange(count)[:, None, None]
    return decoded(encode_frames(frames))


def test_the_frames_of_a_video_stand_side_by_side(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    with ThumbnailWriter(tmp_path, "r") as writer:
        assert writer.add_frames(sha(1), np.full((4, 30, 30, 3), 200, dtype=np.uint8))
        assert not writer.add_frames(sha(2), np.zeros((0, 30, 30, 3), dtype=np.uint8))
    merge_thumbnails(tmp_path, "r")
    found = load_thumbnails(write_run(tmp_path, make_record, make_info))
    assert list(found) == [sha(1)] and decoded(found[sha(1)]).size == (120, 30)


@pytest.mark.parametrize("count", [1, 5, 32, 100])
def test_of_a_long_video_evenly_spaced_frames_are_kept(count: int) -> None:
    kept = kept_frames(count)
    assert len(kept) == min(count, 32) and (kept[0], kept[-1]) == (0, count - 1)
    assert max(np.diff(kept), default=1) - min(np.diff(kept), default=1) <= 1
    found = strip(count)
    assert found.size == (96 * len(kept), 48)
    reds = [found.getpixel((96 * place + 48, 24))[0] for place in range(len(kept))]
    assert reds == pytest.approx([2 * number for number in kept], abs=3)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I", "F"])
def test_every_mode_is_taken(tmp_path: Path, mode: str) -> None:
    with ThumbnailWriter(tmp_path, "r") as writer:
        assert writer.add(sha(1), picture("green", (20, 10), mode if mode != "LA" else "L").convert(mode))


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    with ThumbnailWriter(tmp_path, "r") as writer:
        writer.add(sha(1), Image.new("RGBA", (20, 20), (0, 0, 0, 0)))
    path = merge_thumbnails(tmp_path, "r")
    assert path is not None
    with zipfile.ZipFile(path) as archive:
        assert decoded(archive.read(f"{sha(1)}.jpg")).getpixel((10, 10)) == (255, 255, 255)


def test_encoded_bytes_and_the_caller_keeps_the_image(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    picture().save(buffer, "PNG")
    picture(size=(4000, 2000)).save(tmp_path / "lazy.jpg")
    with Image.open(tmp_path / "lazy.jpg") as image, ThumbnailWriter(tmp_path, "r") as writer:
        assert writer.add(sha(1), buffer.getvalue())
        assert writer.add(sha(2), image)
        assert image.size == (4000, 2000)


def test_an_undecodable_image_is_logged_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with ThumbnailWriter(tmp_path, "r") as writer:
        assert not writer.add(sha(1), b"no image")
    assert "No thumbnail of image" in caplog.text
    assert merge_thumbnails(tmp_path, "r") is None


def test_one_picture_a_digest_over_ranks_and_restarts(tmp_path: Path) -> None:
    for rank in (0, 1):
        with ThumbnailWriter(tmp_path, "r", rank, part_images=1) as writer:
            writer.add(sha(1), picture())
            writer.add(sha(10 + rank), picture())
    merge_thumbnails(tmp_path, "r")
    with ThumbnailWriter(tmp_path, "r") as writer:
        writer.add(sha(1), picture())
        writer.add(sha(12), picture())
    path = merge_thumbnails(tmp_path, "r")
    assert path is not None
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"{sha(i)}.jpg" for i in (1, 10, 11, 12)]


def test_a_killed_run_keeps_its_pictures(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    writer = ThumbnailWriter(tmp_path, "r", part_images=2)
    for number in range(1, 4):
        writer.add(sha(number), picture())
    run = write_run(tmp_path, make_record, make_info, merged=False)
    assert sorted(load_thumbnails(run)) == [sha(1), sha(2)]
    again = ThumbnailWriter(tmp_path, "r")
    again.add(sha(4), picture())
    again.close()
    assert sorted(load_thumbnails(load(tmp_path))) == [sha(1), sha(2), sha(4)]


def test_records_are_found_as_without_pictures(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    with ThumbnailWriter(tmp_path, "r") as writer:
        writer.add(sha(1), picture())
    assert find_unmerged(tmp_path) == []
    merge_thumbnails(tmp_path, "r")
    write_run(tmp_path, make_record, make_info)
    assert len(load_all(tmp_path)) == 1


def test_merge_finishes_records_before_pictures(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    with ThumbnailWriter(tmp_path, "r") as writer:
        writer.add(sha(1), picture())
    run = write_run(tmp_path, make_record, make_info)
    assert list(load_thumbnails(run)) == [sha(1)]
    merge_thumbnails(tmp_path, "r")
    assert list(load_thumbnails(run)) == [sha(1)]


def test_a_damaged_file_is_named_and_does_not_stop_a_run(
    tmp_path: Path, make_record: Any, make_info: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = write_run(tmp_path, make_record, make_info)
    path = tmp_path / "lens_thumbnails_r.zip"
    path.write_bytes(b"PK cut short")
    with pytest.raises(TruncatedRecordError, match=r"lens_thumbnails_r\.zip.*cut short or damaged"):
        load_thumbnails(run)
    with ThumbnailWriter(tmp_path, "r") as writer:
        writer.add(sha(1), picture())
    merge_thumbnails(tmp_path, "r")
    assert list(load_thumbnails(run)) == [sha(1)]
    assert "cut short or damaged" in caplog.text


def test_no_pictures_is_no_error(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    assert load_thumbnails(write_run(tmp_path, make_record, make_info)) == {}
    assert merge_thumbnails(tmp_path, "r") is None


def test_wrong_use(tmp_path: Path) -> None:
    writer = ThumbnailWriter(tmp_path, "r")
    with pytest.raises(InvalidRecordError, match="64 lower-case hex digits"):
        writer.add("../../etc/passwd", picture())
    writer.close()
    with pytest.raises(LensResultsError, match="closed ThumbnailWriter"):
        writer.add(sha(1), picture())


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    (tmp_path / ".lens_parts").write_text("in the way")
    writer = ThumbnailWriter(tmp_path, "r")
    writer.add(sha(1), picture())
    with pytest.raises(RecordWriteError, match=r"\.lens_parts"):
        writer.flush()
    (tmp_path / ".lens_parts").unlink()
    writer.close()
    assert merge_thumbnails(tmp_path, "r")
