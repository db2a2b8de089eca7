"""A video file becomes the frames that are shown of it, with their times; what is no whole video is named."""

from __future__ import annotations

import base64
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from made_videos import decoded, pictures, write_video
from PIL import Image

from lens_models import InputError
from lens_models.video import Video, VideoSampling, open_video

B_FRAMES = {"g": "10", "bf": "2"}


def shown(video: object, **sampling: Any) -> Video:
    return open_video(video, where="task t, document 3", sampling=VideoSampling(**sampling))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        *(("a.mp4", "mpeg4", {}), ("a.mp4", "mpeg4", B_FRAMES), ("a.mov", "libx264", B_FRAMES)),
        *(("a.mkv", "libx264", B_FRAMES), ("a.webm", "libvpx-vp9", {"g": "12"}), ("a.ts", "libx264", {"g": "12"})),
        *(("a.avi", "mpeg4", B_FRAMES), ("a.avi", "libx264", B_FRAMES)),  # without stamps of its own
    ],
)
def test_the_frames_are_those_of_the_file(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    path = write_video(tmp_path / name, pictures(60), codec=codec, options=options)
    every = decoded(path)
    video = shown(path, max_frames=9)
    assert video.indices == tuple(np.linspace(0, 59, 9).round().astype(int).tolist())
    assert np.array_equal(video.frames, every[list(video.indices)])
    assert video.times == pytest.approx([place / 30 for place in video.indices], abs=5e-4)  # some count milliseconds
    assert (video.n_source, video.source, video.clip) == (60, name, None)
    assert video.duration == pytest.approx(2, abs=1e-3)
    assert not video.variable_rate


@pytest.mark.parametrize("rate", [24, Fraction(30000, 1001), 60])
def test_times_are_those_of_the_rate(tmp_path: Path, rate: int | Fraction) -> None:
    video = shown(write_video(tmp_path / "a.mp4", pictures(100), rate=rate), max_frames=7)
    assert video.fps == float(rate)
    assert video.times == pytest.approx([float(place / rate) for place in video.indices or ()], abs=1e-12)
    assert video.metadata["frames_indices"] == list(video.indices or ())
    assert video.duration == pytest.approx(float(100 / rate), abs=1e-12)


def test_times_at_a_variable_rate_are_the_stamps(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 1000, 1500, 1533, 4000, 4040]
    video = shown(write_video(tmp_path / "a.mkv", pictures(8), stamps=stamps), max_frames=8)
    assert video.times == pytest.approx([stamp / 1000 for stamp in stamps])
    assert video.variable_rate
    assert video.fps is not None
    told = [place / video.fps for place in video.metadata["frames_indices"]]  # as processors do
    assert told == pytest.approx([stamp / 1000 for stamp in stamps])


def test_how_many_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(60))
    assert len(shown(path, max_frames=100)) == 60
    assert len(shown(path, fps=4)) == 8
    assert len(shown(path, fps=4, max_frames=5)) == 5
    assert len(shown(path, fps=0.1)) == 1
    assert len(shown(path, nframes=11, fps=1, max_frames=3)) == 11
    assert len(shown({"path": path, "nframes": 4})) == 4
    assert len(shown({"url": path, "max_frames": 4, "fps": "30"}, fps=1)) == 4
    with pytest.raises(InputError, match=r"document 3: nframes=61, and its video has 60 frames; use max_num_frames"):
        shown(path, nframes=61)
    for visual in ({"nframes": 0}, {"max_frames": 1.5}, {"fps": -1}, {"fps": "fast"}, {"nframes": float("nan")}):
        with pytest.raises(InputError, match=r"of its video; expected a"):
            shown({"path": path, **visual})


def test_a_clip(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(60))
    video = shown({"type": "video", "path": path, "video_start": 0.5, "video_end": 1.5}, max_frames=4)
    assert video.indices == (15, 25, 35, 45)
    assert video.times == pytest.approx([0.5, 25 / 30, 35 / 30, 1.5])
    assert (video.clip, video.n_source) == ((0.5, 1.5), 31)
    assert video.duration == pytest.approx(31 / 30)
    assert np.array_equal(video.frames, decoded(path)[[15, 25, 35, 45]])
    assert shown({"path": path, "video_start": 1.9, "video_end": 9}).indices == (57, 58, 59)
    assert shown({"path": path, "video_end": 0.05}).indices == (0, 1)


@pytest.mark.parametrize(
    ("clip", "found"),
    [
        ({"video_start": 1, "video_end": 1}, r"its clip ends at 1 s and starts at 1 s; expected a later end"),
        ({"video_start": 1.5, "video_end": 0.5}, r"ends at 0\.5 s and starts at 1\.5 s"),
        (
            {"video_start": 7, "video_end": 8},
            r"no frame of the video .*a\.mp4 begins from 7 s to 8 s; it lasts 2\.000 s",
        ),
        ({"video_start": 0.51, "video_end": 0.52}, r"begins from 0\.51 s to 0\.52 s.*and has 60 frames\. Correct"),
        ({"video_start": "soon"}, r"video_start='soon' of its video; expected a number"),
    ],
)
def test_a_clip_that_holds_nothing(tmp_path: Path, clip: dict[str, Any], found: str) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(60))
    with pytest.raises(InputError, match=rf"task t, document 3: {found}|{found}"):
        shown({"path": path, **clip})


@pytest.mark.parametrize(("turns", "matrix"), [(1, (0, -1, 1, 0)), (2, (-1, 0, 0, -1)), (3, (0, 1, -1, 0))])
def test_a_file_says_how_it_is_turned(tmp_path: Path, turns: int, matrix: tuple[int, ...]) -> None:
    path = Path(write_video(tmp_path / "a.mp4", pictures(3)))
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 4 + 32 + 4  # version and flags, times and ids, volume
    numbers = [int.from_bytes(content[at + 4 * i : at + 4 * i + 4], "big", signed=True) for i in range(9)]
    assert (numbers[0], numbers[4]) == (1 << 16, 1 << 16)
    for place, value in zip((0, 1, 3, 4), matrix, strict=True):
        content[at + 4 * place : at + 4 * place + 4] = (value << 16).to_bytes(4, "big", signed=True)
    plain = shown(str(path)).frames
    path.write_bytes(content)
    assert np.array_equal(shown(str(path)).frames, np.rot90(plain, turns, axes=(1, 2)))


@pytest.mark.parametrize(("space", "red", "blue"), [(1, 0.2126, 0.0722), (5, 0.299, 0.114)])
def test_colours_are_those_of_the_colour_space_in_the_file(tmp_path: Path, space: int, red: float, blue: float) -> None:
    """Luma weights of BT.709 and BT.601; limited range: luma 16 to 235, chroma 112 either side of 128."""
    rgb = np.array([200, 40, 90]) / 255
    luma = red * rgb[0] + (1 - red - blue) * rgb[1] + blue * rgb[2]
    chroma = (rgb[2] - luma) / (2 - 2 * blue), (rgb[0] - luma) / (2 - 2 * red)
    levels = [16 + 219 * luma, *(128 + 224 * each for each in chroma)]
    path = str(tmp_path / "a.mp4")
    with av.open(path, "w") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = space, 1
        planes = np.full((72, 64), 0, dtype=np.uint8)
        planes[:48], planes[48:60], planes[60:] = (round(each) for each in levels)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
    # half a level of each of the three rounded numbers, times at most 1.9 (the weight of a chroma), and one more
    assert np.abs(shown(path).frames.mean((0, 1, 2)) - 255 * rgb).max() < 3


def test_what_is_no_whole_video_is_named(tmp_path: Path) -> None:
    whole = Path(write_video(tmp_path / "whole.mkv", pictures(200, 160, 120), options={"g": "10"})).read_bytes()
    (tmp_path / "short.mkv").write_bytes(whole[: len(whole) // 3])
    fast = {"movflags": "faststart"}
    with av.open(str(tmp_path / "whole.mkv")) as source, av.open(str(tmp_path / "f.mp4"), "w", options=fast) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux():
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    whole = (tmp_path / "f.mp4").read_bytes()
    (tmp_path / "short.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "broken.mp4").write_bytes(b"this is no video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    with av.open(str(tmp_path / "sound.m4a"), "w") as container:
        sound: Any = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    for name, found in {
        "broken.mp4": r"cannot be read \(.*\); check or remove this sample",
        "empty.mp4": r"is empty \(0 bytes\); get it again, or remove this sample",
        "nothing.mp4": r"is not there; check the folder",
        "sound.m4a": r"cannot be read \(it has no video stream, only audio\)",
        "short.mp4": r"cannot be read \(it is cut short: \d+ frames of 200 that its header names\)",
        "short.mkv": r"cannot be read \(it is cut short: \d\.\d s of 6\.7 s that its header names\)",
    }.items():
        with pytest.raises(InputError, match=rf"task t, document 3: the video .*{name} {found}"):
            shown(str(tmp_path / name))
    with pytest.raises(InputError, match="expected the path of a video or its frames, found int"):
        shown(3)
    with pytest.raises(InputError, match=r"a mapping with \['name'\]; expected path, url, video or bytes"):
        shown({"name": "a"})


def test_frames_that_a_task_gives_have_no_times(tmp_path: Path) -> None:
    frames = pictures(5)
    given: list[object] = [frames, frames.transpose(0, 3, 1, 2), torch.from_numpy(frames.copy()), list(frames)]
    given += [[Image.fromarray(each) for each in frames], {"video": frames}]
    for each in given:
        video = shown(each, max_frames=2)
        assert np.array_equal(video.frames, frames)
        assert (video.times, video.indices, video.fps, video.source) == (None, None, None, None)
        assert (video.metadata["fps"], video.metadata["frames_indices"]) == (None, [0, 1, 2, 3, 4])
    assert shown(video) is video
    for wrong, found in (
        (frames[:, :, :, :1], r"has shape \(5, 48, 64, 1\); expected \[frames"),
        (frames[:0], r"has shape \(0, 48, 64, 3\)"),
        (frames / 255, r"are float64; expected uint8"),
        ([Image.new("RGB", (4, 4)), Image.new("RGB", (5, 4))], r"several sizes \(4x4 and 5x4\)"),
        ([], r"several sizes \(none\)"),
        ({"video": frames, "video_start": 1}, r"frames whose times are not known; give the video as a file"),
    ):
        with pytest.raises(InputError, match=rf"task t, document 3: .*{found}"):
            shown(wrong)


def test_the_digest_is_of_what_is_shown(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(60))
    slower = write_video(tmp_path / "b.mp4", decoded(path), rate=15)
    content = Path(path).read_bytes()
    named = shown(content)
    assert shown("data:video/mp4;base64," + base64.b64encode(content).decode()).sha256 == named.sha256
    assert named.sha256 == shown(path).sha256
    assert named.source is not None
    assert named.source.startswith("sha256:")
    others = [
        shown(path, max_frames=31),
        shown({"path": path, "video_start": 0.4}),
        shown(slower),
        shown(decoded(path)),
    ]
    assert len({each.sha256 for each in (named, *others)}) == 5


@pytest.mark.parametrize(
    "visual",
    [
        {"nframes": 8},
        {"nframes": 8, "video_start": 0.5, "video_end": 1.5},
        {"nframes": 6, "video_start": 0.71, "video_end": 5},
        {"nframes": 4, "video_end": 0.49},
    ],
)
def test_frames_are_those_of_qwen_vl_utils(tmp_path: Path, visual: dict[str, Any]) -> None:
    """Its own functions choose; lmms-eval's wrappers of Qwen's models show the frames so."""
    vision = pytest.importorskip("qwen_vl_utils.vision_process")
    path = write_video(tmp_path / "a.mp4", pictures(60))
    first, last, total = vision.calculate_video_frame_range(visual, 60, 30.0)
    n = vision.smart_nframes(visual, total_frames=total, video_fps=30.0)
    video = shown({"path": path, **visual})
    assert video.indices == tuple(torch.linspace(first, last, n).round().long().tolist())
    assert video.metadata["frames_indices"] == list(video.indices or ())
    assert (video.metadata["fps"], video.metadata["total_num_frames"]) == (30.0, total)
