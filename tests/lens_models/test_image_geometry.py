"""Where image tokens lie: boxes against arithmetic by hand, the paint test, and geometries wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from benchmarks.coverage.geometry import model_for
from benchmarks.coverage.processors import processor_of
from lens_models.encoding import encode_texts
from lens_models.image_tokens import ImageTokenLocator, ImageTokens, locate_image_tokens, prove_geometry
from lens_models.image_tokens.decoder_input import decoder_input
from lens_models.image_tokens.layouts import Layout
from lens_models.image_tokens.painting import textured
from lens_models.parts import find_parts

pytestmark = [
    pytest.mark.skipif(int(transformers.__version__.split(".")[0]) < 5, reason="the processors are of transformers 5"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

# one of each mechanism: crop, flattened patches, pieces and the whole, anyres with ends of rows, row breaks, letterbox
FAST = ["deepseek_vl", "internvl", "llava", "llava_next", "mistral3", "qwen2_vl"]
WIDE, TALL = (97, 61), (61, 97)


@cache
def built(model_type: str) -> tuple[Any, Any]:
    torch.set_num_threads(1)
    processor = processor_of(model_type)
    return model_for(model_type, processor), processor


def boxes_of(model_type: str, size: tuple[int, int]) -> tuple[Layout, ImageTokenLocator]:
    locator = ImageTokenLocator(*built(model_type))
    layout = locator.layout(size)
    assert isinstance(layout, Layout), layout
    return layout, locator


def cells(rows: int, columns: int, left: float, top: float, width: float, height: float) -> np.ndarray[Any, Any]:
    """The boxes of a grid over a rectangle, row by row."""
    return np.array([
        (left + width * c / columns, top + height * r / rows, left + width * (c + 1) / columns,
         top + height * (r + 1) / rows)
        for r in range(rows) for c in range(columns)
    ])  # fmt: skip


def close(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> None:
    """Within a tenth of a token."""
    assert found.shape == expected.shape
    side = np.minimum(expected[:, 2] - expected[:, 0], expected[:, 3] - expected[:, 1]).min()
    assert np.abs(found - expected).max() < side / 10


@pytest.mark.parametrize("size", [WIDE, TALL])
def test_a_crop_leaves_the_ends_of_the_longer_side_out(size: tuple[int, int]) -> None:
    layout, _ = boxes_of("llava", size)
    width, height = size
    short = min(size)
    box = ((1 - short / width) / 2, (1 - short / height) / 2, short / width, short / height)
    close(layout.boxes, cells(8, 8, *box))


@pytest.mark.parametrize("size", [WIDE, TALL])
def test_a_border_lies_outside_the_picture(size: tuple[int, int]) -> None:
    layout, _ = boxes_of("deepseek_vl", size)
    width, height = size
    long = max(size)
    box = ((1 - long / width) / 2, (1 - long / height) / 2, long / width, long / height)
    close(layout.boxes, cells(8, 8, *box))


def test_flattened_patches_are_rows_of_merged_blocks() -> None:
    layout, locator = boxes_of("qwen2_vl", WIDE)
    _, rows, columns = locator.encode([textured(WIDE)])["image_grid_thw"][0].tolist()
    close(layout.boxes, cells(rows // 2, columns // 2, 0, 0, 1, 1))


def test_pieces_come_row_by_row_and_the_whole_picture_last() -> None:
    layout, _ = boxes_of("internvl", (128, 64))
    pieces = [cells(4, 4, left, 0, 0.5, 1) for left in (0, 0.5)]
    close(layout.boxes, np.concatenate([*pieces, cells(4, 4, 0, 0, 1, 1)]))
    assert layout.view.tolist() == [0] * 16 + [1] * 16 + [2] * 16


def test_ends_of_rows_are_no_image_tokens_and_the_border_of_pieces_is_cut() -> None:
    layout, _ = boxes_of("llava_next", (128, 64))
    assert layout.kept.tolist() == [True] * 64 + ([True] * 16 + [False]) * 8
    close(layout.boxes[layout.view == 1], cells(8, 16, 0, 0, 1, 1))


@pytest.mark.parametrize("model_type", FAST)
def test_the_paint_test_proves_the_geometry(model_type: str) -> None:
    report = prove_geometry(*built(model_type))
    assert report.status == "proven", report
    assert report.figures is not None
    assert report.figures.top1 > report.figures.rival_top1


def shuffled(layout: Layout) -> Layout:
    order = np.random.default_rng(3).permutation(len(layout.boxes))
    return replace(layout, boxes=layout.boxes[order])


def transposed(layout: Layout) -> Layout:
    return replace(layout, boxes=layout.boxes[:, [1, 0, 3, 2]])


def mirrored(layout: Layout) -> Layout:
    left, top, right, bottom = layout.boxes.T
    return replace(layout, boxes=np.stack([1 - right, top, 1 - left, bottom], axis=1))


def upside_down(layout: Layout) -> Layout:
    left, top, right, bottom = layout.boxes.T
    return replace(layout, boxes=np.stack([left, 1 - bottom, right, 1 - top], axis=1))


def a_token_late(layout: Layout) -> Layout:
    return replace(layout, boxes=np.roll(layout.boxes, 1, axis=0))


def a_piece_late(layout: Layout) -> Layout:
    n = int((layout.view == 0).sum())
    return replace(layout, boxes=np.roll(layout.boxes, n, axis=0), view=layout.view)


def without_its_crop(layout: Layout) -> Layout:
    low, high = layout.boxes[:, :2].min(0), layout.boxes[:, 2:].max(0)
    corners = (layout.boxes.reshape(-1, 2, 2) - low) / (high - low)
    return replace(layout, boxes=corners.reshape(-1, 4))


def with_a_text_token(layout: Layout) -> Layout:
    return replace(layout, kept=np.roll(layout.kept, 1))


@pytest.mark.parametrize(
    ("model_type", "wrong"),
    [
        *((name, wrong) for name in ("qwen2_vl", "llava", "internvl", "llava_next")
          for wrong in (shuffled, transposed, mirrored, upside_down, a_token_late)),
        ("internvl", a_piece_late),
        ("llava", without_its_crop),
        ("deepseek_vl", without_its_crop),
        ("llava_next", with_a_text_token),
    ],
)  # fmt: skip
def test_a_wrong_geometry_is_not_proven(
    model_type: str, wrong: Callable[[Layout], Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = ImageTokenLocator._find_layout
    monkeypatch.setattr(ImageTokenLocator, "_find_layout", lambda self, size: wrong(find(self, size)))
    report = prove_geometry(*built(model_type))
    assert report.status in ("refuted", "unknown"), report
    assert report.reason


def test_the_decoder_does_not_run() -> None:
    model, processor = built("qwen2_vl")
    layers = find_parts(model).layers
    ran: list[int] = []
    handles = [layer.register_forward_hook(lambda *args: ran.append(1)) for layer in layers]
    inputs = ImageTokenLocator(model, processor).encode([textured(WIDE)])
    found = decoder_input(model, layers[0], inputs)
    for handle in handles:
        handle.remove()
    assert not ran
    assert found.shape[:2] == inputs["input_ids"].shape
    assert not layers[0]._forward_pre_hooks


@pytest.mark.parametrize(
    "model_type", ["gemma3", "idefics3", "internvl", "llava", "llava_next", "mistral3", "qwen2_vl"]
)
def test_rows_with_none_one_and_two_pictures(model_type: str) -> None:
    """Each picture's tokens are those that change when it alone is another one."""
    model, processor = built(model_type)
    sizes = [[WIDE], [], [TALL, (64, 64)]]
    pictures = [[textured(size, seed=n) for n, size in enumerate(own)] for own in sizes]
    texts = [" ".join([*[f"{processor.image_token} is"] * len(own), "there a circle"]) for own in sizes]

    def encoded(shown: list[list[Any]]) -> Any:
        return encode_texts(processor, texts, images=shown)

    inputs = encoded(pictures)
    found = locate_image_tokens(model, processor, inputs, sizes)
    assert [(len(each) > 0, each.problem) for each in found] == [(True, None), (False, None), (True, None)]
    first = find_parts(model).layers[0]
    plain = decoder_input(model, first, inputs)
    for row, own in enumerate(pictures):
        for number in range(len(own)):
            other = [list(each) for each in pictures]
            other[row][number] = textured(own[number].size, seed=77)
            change = (decoder_input(model, first, encoded(other)) - plain).abs().amax(-1)
            expected = torch.zeros_like(change, dtype=torch.bool)
            expected[row, found[row].positions[found[row].image == number].tolist()] = True
            assert torch.equal(change > 0, expected)


def test_a_prompt_that_lost_image_tokens_has_none() -> None:
    model, processor = built("qwen2_vl")
    inputs = ImageTokenLocator(model, processor).encode([textured(WIDE)])
    cut = {"input_ids": inputs["input_ids"][:, 3:]}
    (found,) = locate_image_tokens(model, processor, cut, [[WIDE]])
    assert found.boxes is None
    assert found.problem is not None
    assert "image tokens, and" in found.problem


@pytest.mark.parametrize(
    ("model_type", "words", "positions"),
    [("mllama", "cross-attention", False), ("blip-2", "learned queries", True), ("t5gemma2", "encoder-decoder", False)],
)
def test_models_whose_tokens_have_no_place_say_so(model_type: str, words: str, positions: bool) -> None:
    model, processor = built(model_type)
    locator = ImageTokenLocator(model, processor)
    inputs = locator.encode([textured(WIDE)])
    (found,) = locator.locate(inputs, [[WIDE]])
    assert found.problem is not None
    assert words in found.problem
    assert (len(found) > 0, found.boxes) == (positions, None)
    report = prove_geometry(model, processor)
    assert (report.status, words in report.reason) == ("none", True)


def test_what_is_none_and_what_has_no_picture() -> None:
    model, processor = built("qwen2_vl")
    inputs = {"input_ids": torch.tensor([[1, 10, 11]])}
    (without,) = locate_image_tokens(model, processor, inputs, [[]])
    assert (len(without), without.problem) == (0, None)
    (lost,) = locate_image_tokens(model, processor, inputs, [[WIDE]])
    assert lost.problem == "no position of the prompt holds the token that stands for a part of an image"
    assert isinstance(lost, ImageTokens)
