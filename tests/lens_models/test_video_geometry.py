"""Tokens of videos: frames and boxes against arithmetic by hand, the paint test, and geometries wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from made_videos import pictures

from benchmarks.coverage.geometry import model_for
from benchmarks.coverage.processors import processor_of
from lens_models.encoding import encode_texts, render_chat
from lens_models.image_tokens import (
    ProvenImageTokens,
    VideoShape,
    VideoTokenLocator,
    prove_video_geometry,
    shape_of,
)
from lens_models.image_tokens.decoder_input import decoder_input
from lens_models.image_tokens.video_layout import VideoLayout
from lens_models.parts import find_parts
from lens_models.video import Video, video_arguments

pytestmark = [
    pytest.mark.skipif(int(transformers.__version__.split(".")[0]) < 5, reason="the processors are of transformers 5"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

FAMILIES = (
    *("llava_next_video", "llava_onevision", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "internvl", "smolvlm"),
    *("video_llava", "glm4v"),
)


@cache
def built(model_type: str) -> tuple[Any, Any]:
    torch.set_num_threads(1)
    processor = processor_of(model_type)
    return model_for(model_type, processor), processor


def layout_of(model_type: str, frames: int, width: int = 96, height: int = 64) -> VideoLayout:
    layout = VideoTokenLocator(*built(model_type)).layout(VideoShape(frames, width, height))
    assert isinstance(layout, VideoLayout), layout
    return layout


def cells(rows: int, columns: int, left: float, width: float) -> np.ndarray[Any, Any]:
    """The boxes of a grid over a part of a frame from top to bottom, row by row."""
    return np.array([
        (left + width * c / columns, r / rows, left + width * (c + 1) / columns, (r + 1) / rows)
        for r in range(rows) for c in range(columns)
    ])  # fmt: skip


@pytest.mark.parametrize("model_type", FAMILIES)
def test_the_paint_test_proves_place_and_frame(model_type: str) -> None:
    report = prove_video_geometry(*built(model_type))
    assert report.status == "proven", report
    assert report.figures is not None
    assert report.figures.top1 > report.figures.rival_top1


@pytest.mark.parametrize(
    ("model_type", "rows", "columns", "left", "width"),
    [
        ("llava_next_video", 4, 4, 1 / 6, 2 / 3),  # the middle of the frame, 2 x 2 patches of 8 x 8 a token
        ("llava_onevision", 4, 4, 0, 1),
        ("internvl", 4, 4, 0, 1),
        ("video_llava", 8, 8, 1 / 6, 2 / 3),
    ],
)
def test_each_frame_is_a_grid(model_type: str, rows: int, columns: int, left: float, width: float) -> None:
    layout = layout_of(model_type, 5)
    expected = cells(rows, columns, left, width)
    assert np.abs(layout.boxes.reshape(5, -1, 4) - expected).max() < 0.1 / max(rows, columns)
    assert layout.frames.tolist() == [[frame, frame] for frame in range(5) for _ in expected]


@pytest.mark.parametrize(("frames", "joined"), [(4, [[0, 1], [2, 3]]), (5, [[0, 1], [2, 3], [4, 4]])])
@pytest.mark.parametrize("model_type", ["qwen2_vl", "qwen3_vl"])
def test_two_frames_are_joined_and_a_last_one_stands_twice(
    model_type: str, frames: int, joined: list[list[int]]
) -> None:
    layout = layout_of(model_type, frames)
    assert len(layout.boxes) % len(joined) == 0
    each = len(layout.boxes) // len(joined)
    assert layout.frames.tolist() == [pair for pair in joined for _ in range(each)]
    boxes = layout.boxes.reshape(len(joined), each, 4)
    columns = len(np.unique(boxes[0, :, 0].round(3)))
    assert np.abs(boxes - cells(each // columns, columns, 0, 1)).max() < 0.1 / columns


def test_places_of_no_part_of_a_frame() -> None:
    onevision, video_llava = layout_of("llava_onevision", 3), layout_of("video_llava", 3)
    assert onevision.kept.tolist() == [True] * 48 + [False]  # the end after the last row
    assert not onevision.summaries.any()
    assert video_llava.kept.tolist() == ([False] + [True] * 64) * 3  # the class token before each frame
    assert np.array_equal(video_llava.summaries, ~video_llava.kept)


def a_frame_late(layout: VideoLayout) -> VideoLayout:
    return replace(layout, frames=np.roll(layout.frames, len(layout.frames) // (layout.view.max() + 1), axis=0))


def backwards(layout: VideoLayout) -> VideoLayout:
    return replace(layout, frames=layout.frames[::-1].copy())


def all_of_the_first(layout: VideoLayout) -> VideoLayout:
    return replace(layout, frames=np.zeros_like(layout.frames))


def mirrored(layout: VideoLayout) -> VideoLayout:
    left, top, right, bottom = layout.boxes.T
    return replace(layout, boxes=np.stack([1 - right, top, 1 - left, bottom], axis=1))


def a_token_late(layout: VideoLayout) -> VideoLayout:
    return replace(layout, boxes=np.roll(layout.boxes, 1, axis=0))


def with_a_text_token(layout: VideoLayout) -> VideoLayout:
    return replace(layout, kept=np.roll(layout.kept, 1))


@pytest.mark.parametrize(
    ("model_type", "wrong"),
    [
        *((name, wrong) for name in ("qwen2_vl", "internvl", "llava_onevision")
          for wrong in (a_frame_late, backwards, all_of_the_first, mirrored, a_token_late)),
        ("llava_onevision", with_a_text_token),
    ],
)  # fmt: skip
def test_a_wrong_geometry_is_not_proven(
    model_type: str, wrong: Callable[[VideoLayout], VideoLayout], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = VideoTokenLocator._find_layout
    monkeypatch.setattr(VideoTokenLocator, "_find_layout", lambda self, shape: wrong(find(self, shape)))
    report = prove_video_geometry(*built(model_type))
    assert report.status in ("refuted", "unknown"), report
    assert report.reason


@pytest.mark.parametrize("model_type", ["internvl", "qwen2_5_vl", "qwen3_vl", "llava_onevision"])
def test_rows_with_none_one_and_two_videos(model_type: str) -> None:
    """The tokens of each frame are those that change when it alone is another one."""
    model, processor = built(model_type)
    shown = [[4], [], [4, 4]]  # frames; one number for all, as some processors stack the videos of a batch
    videos = [
        [Video(pictures(n, 96, 64, seed=10 * row + k)) for k, n in enumerate(own)] for row, own in enumerate(shown)
    ]
    question = {"type": "text", "text": "is there a circle"}
    texts = [
        render_chat(processor, [{"role": "user", "content": [{"type": "video"}, question] * len(own) + [question]}])
        for own in videos
    ]

    def encoded(given: list[list[Video]]) -> Any:
        return encode_texts(processor, texts, **video_arguments(processor, [each for own in given for each in own]))

    inputs = encoded(videos)
    proven = ProvenImageTokens(model, processor, pytest.fail)
    found = proven.locate(inputs, [[]] * 3, [[shape_of(video) for video in own] for own in videos])
    assert [(len(each) > 0, each.problem) for each in found] == [(True, None), (False, None), (True, None)]
    first = find_parts(model).layers[0]
    plain = decoder_input(model, first, inputs)
    for row, number, frame in ((0, 0, 0), (0, 0, 3), (2, 0, 1), (2, 1, 2)):
        frames = videos[row][number].frames.copy()
        frames[frame] = 255 - frames[frame]
        other = [list(own) for own in videos]
        other[row][number] = Video(frames)
        change = (decoder_input(model, first, encoded(other)) - plain).abs().amax(-1)
        tokens = found[row]
        assert tokens.frames is not None
        begin, end = tokens.frames.T
        own = tokens.positions[(tokens.image == number) & (begin <= frame) & (frame <= end)]
        expected = torch.zeros_like(change, dtype=torch.bool)
        expected[row, own.tolist()] = True
        assert torch.equal(change > 0, expected)


def test_what_is_not_known_has_its_reason() -> None:
    model, processor = built("qwen2_vl")
    shape, said = VideoShape(4, 96, 64), []
    proven = ProvenImageTokens(model, processor, said.append)
    inputs = {"input_ids": torch.tensor([[1, 10, 11]])}
    both, none = proven.locate({"input_ids": inputs["input_ids"].repeat(2, 1)}, [[(9, 9)], []], [[shape], [shape]])
    assert both.problem == "the prompt has several kinds of media; which of its tokens belong to which is not known"
    assert none.problem == "no position of the prompt holds the token that stands for a part of a video"
    assert VideoTokenLocator(model, processor).layout(VideoShape(300, 96, 64)) == (
        "300 frames; at most 256 can be told apart"
    )
    ids = VideoTokenLocator(model, processor).encode(Video(pictures(4, 96, 64)))["input_ids"][0, 3:].numpy()
    assert "tokens of videos, and" in str(proven.video_locator.locate(ids, [shape]).problem)
    assert not said


def test_a_family_that_leaves_tokens_out_by_what_they_show_is_not_located() -> None:
    report = prove_video_geometry(*built("video_llama_3"))
    assert (report.status, report.reason) == (
        "none",
        "the prompt depends on what a video shows, not on its shape alone",
    )
