"""A model whose weights are set by hand looks at what is white: on videos with a track its lift is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lens_engine.image_maps import Observed, Seen, image_maps
from lens_models import LENS_TINY, LensSettings, LogitLens, load_model
from lens_models.image_tokens import VideoTokenLocator, shape_of
from lens_models.probes import Answered
from lens_models.video import Video
from lens_tasks.regions import PlacedBox

SIDE, CELL, FRAMES = 4, 16, 8
"""Tokens of two frames are 4 x 4 cells of 16 pixels."""
PLACES = ((0, 0), (2, 1), (1, 3), (3, 2))
"""Row and column of the white cell in each pair of frames; no two are the same."""
OFF = 5e-3
"""Of a token's edges, which the geometry finds to a few thousandths of a token."""


def cell(row: int, column: int) -> tuple[float, float, float, float]:
    return column / SIDE, row / SIDE, (column + 1) / SIDE, (row + 1) / SIDE


TRACK = tuple(PlacedBox(cell(*PLACES[frame // 2]), frame, track=1) for frame in range(FRAMES))
OTHER = tuple(PlacedBox(cell(0, 3), frame, "other", track=2) for frame in range(FRAMES))


def video(order: Any = range(FRAMES)) -> Video:
    """Black frames with the white cell, in some order."""
    frames = np.zeros((FRAMES, SIDE * CELL, SIDE * CELL, 3), dtype=np.uint8)
    for frame in range(FRAMES):
        row, column = PLACES[frame // 2]
        frames[frame, row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = 255
    return Video(frames[list(order)])


@pytest.fixture(scope="module")
def loaded() -> Any:
    """lens_tiny with other weights: an image token is +1 for white and -1 for black in dimension 0, and nothing changes
    it; the query of every position is a constant, the key is dimension 0."""
    found = load_model(LENS_TINY)
    with torch.no_grad():
        tower, decoder = found.model.model.visual, found.model.model.language_model
        half = tower.patch_embed.proj.weight.shape[0] // 2
        mean = 1.0 / tower.patch_embed.proj.weight[0].numel()
        tower.patch_embed.proj.weight[:half], tower.patch_embed.proj.weight[half:] = mean, -mean
        for block in tower.blocks:
            for layer in (block.attn.proj, block.mlp.fc2):
                layer.weight.zero_(), layer.bias.zero_()
        first, last = tower.merger.mlp[0], tower.merger.mlp[2]
        for layer in (first, last):
            layer.weight.zero_(), layer.bias.zero_()
        tower.merger.ln_q.weight.fill_(1), tower.merger.ln_q.bias.zero_()
        first.weight[0].view(4, 2 * half)[:, :half] = 1 / (4 * half)  # the mean sign of the four patches
        last.weight[0, 0], last.bias[1] = 1.0, 1.0
        decoder.embed_tokens.weight[:, 0] = 0
        for layer in decoder.layers:
            attention = layer.self_attn
            width = attention.head_dim
            for each in (attention.q_proj, attention.k_proj):
                each.weight.zero_(), each.bias.zero_()
            slowest = width // 2 - 1  # hardly turned by the position
            attention.q_proj.bias[slowest::width] = 30.0
            attention.k_proj.weight[slowest::width, 0] = 30.0
            layer.input_layernorm.weight.fill_(1)
            attention.o_proj.weight.zero_(), layer.mlp.down_proj.weight.zero_()
    return found


def figures(loaded: Any, shown: Video) -> Observed:
    locator = VideoTokenLocator(loaded.model, loaded.processor)
    inputs = locator.encode(shown)
    tokens = locator.locate(inputs["input_ids"][0].numpy(), [shape_of(shown)])
    lens = LogitLens(loaded.model, inputs, LensSettings(probes=("attention",)))
    traced = lens.generate(inputs, image_tokens=[tokens], max_new_tokens=1, do_sample=False)
    observed = {probe.name: probe.result(Answered(0, [0], 0)) for probe in traced.probes}
    seen = Seen(("t", 0, 0, 0), tokens, [], (), lens.parts.n_layers, (*TRACK, *OTHER))
    return image_maps(seen, observed, whole=True)


def test_a_model_that_looks_at_the_track_has_its_lift(loaded: Any) -> None:
    found = figures(loaded, video())
    # one of 16 tokens of each pair of frames is the track, and all of the attention to the video is there
    assert found.gold_based["box_lift"] == pytest.approx(16, rel=OFF)
    assert found.gold_based["pointing"] == 1 and found.gold_based["box_auroc"] == pytest.approx(1, abs=OFF)
    np.testing.assert_allclose(found.probes["boxes"]["attention lift"], 16, rtol=OFF)
    np.testing.assert_allclose(found.probes["tracks"]["attention mass"], [0.25] * 4, rtol=OFF)


def test_its_nulls_have_none(loaded: Any) -> None:
    """Later by 2 to 6 frames: by 1 and 7 half of the path lies in the track."""
    found = figures(loaded, video())
    assert found.status["boxes"] == "ok"
    for null in ("null_box_lift", "null_pointing", "other_box_lift", "other_pointing"):
        assert found.gold_based[null] == pytest.approx(0, abs=16 * OFF), null


def test_shuffled_frames_break_it(loaded: Any) -> None:
    found = figures(loaded, video((6, 7, 0, 1, 2, 3, 4, 5)))  # every pair shows another place
    assert found.gold_based["box_lift"] == pytest.approx(0, abs=16 * OFF) and found.gold_based["pointing"] == 0
    assert found.gold_based["null_box_lift"] > 3  # it is the path two frames later, one of five nulls


def test_frames_that_are_one_late_halve_it(loaded: Any) -> None:
    """Each pair shows two places in one frame each, which both are brighter than grey, and one of them is the track."""
    found = figures(loaded, video((1, 2, 3, 4, 5, 6, 7, 0)))
    assert found.gold_based["box_lift"] == pytest.approx(8, rel=OFF)
