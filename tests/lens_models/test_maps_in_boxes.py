"""Maps against boxes: planted maps, an independent AUROC, and null boxes that match in size and distance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import box_figures, covered, in_boxes, null_boxes

SIDE = 8


def grid(side: int = SIDE, image: int = 0, border: float = 0.0) -> ImageTokens:
    """`side` x `side` tokens over a picture, with a border of so much of its width around it."""
    edges = np.linspace(-border, 1 + border, side + 1)
    boxes = [(edges[c], edges[r], edges[c + 1], edges[r + 1]) for r in range(side) for c in range(side)]
    numbers = np.arange(len(boxes), dtype=np.int64)
    return ImageTokens(numbers, np.full_like(numbers, image), np.asarray(boxes, dtype=np.float32))


BOX = (0.25, 0.25, 0.5, 0.5)  # four tokens of 64


def test_a_flat_map_has_lift_one_and_points_nowhere() -> None:
    found = box_figures(np.ones(64), covered(grid(), {0: [BOX]}))
    assert found.lift[0] == pytest.approx(1) and found.auroc[0] == pytest.approx(0.5)
    assert found.pointing[0] == pytest.approx(4 / 64)


def test_a_map_in_the_box_has_all_its_mass_there() -> None:
    inside = in_boxes(grid(), {0: [BOX]})
    found = box_figures(np.stack([inside, 1 - inside]), covered(grid(), {0: [BOX]}))
    np.testing.assert_allclose(found.lift, [16, 0])
    np.testing.assert_allclose(found.pointing, [1, 0])
    np.testing.assert_allclose(found.auroc, [1, 0])


def test_a_box_smaller_than_a_token_is_still_a_place() -> None:
    tiny = (0.26, 0.26, 0.30, 0.30)
    peak = np.zeros(64)
    peak[2 * SIDE + 2] = 1
    found = box_figures(peak, covered(grid(), {0: [tiny]}))
    assert found.lift[0] == pytest.approx(64)
    assert found.pointing[0] == 0  # the token's centre is not in so small a box


@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_that_of_an_independent_library(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, 64).astype(float)  # with ties
    box = (0.1, 0.2, 0.63, 0.55)
    share = in_boxes(grid(), {0: [box]})
    labels = np.repeat([1, 0], 64)
    weights = np.concatenate([share, 1 - share])
    expected = roc_auc_score(labels, np.tile(scores, 2), sample_weight=weights)
    assert box_figures(scores, covered(grid(), {0: [box]})).auroc[0] == pytest.approx(expected, abs=1e-12)


def test_mass_in_a_border_is_told_and_left_out() -> None:
    tokens = grid(4, border=0.5)  # the picture is the middle 2 x 2
    mass = np.ones(16)
    found = box_figures(mass, covered(tokens, {0: [(0, 0, 0.5, 1)]}))
    assert found.outside[0] == pytest.approx(12 / 16)
    assert found.lift[0] == pytest.approx(1)


def test_boxes_count_in_their_own_picture_alone() -> None:
    first, second = grid(image=0), grid(image=1)
    assert first.boxes is not None and second.boxes is not None
    both = ImageTokens(
        np.arange(128, dtype=np.int64),
        np.concatenate([first.image, second.image]),
        np.concatenate([first.boxes, second.boxes]),
    )
    mass = np.zeros(128)
    mass[64:] = in_boxes(second, {1: [BOX]})
    assert box_figures(mass, covered(both, {1: [BOX]})).lift[0] == pytest.approx(32)
    assert box_figures(mass, covered(both, {0: [BOX]})).lift[0] == 0


def test_no_mass_and_no_token_in_the_box_are_no_numbers() -> None:
    assert np.isnan(box_figures(np.zeros(64), covered(grid(), {0: [BOX]})).lift[0])
    assert np.isnan(box_figures(np.ones(64), covered(grid(), {1: [BOX]})).lift[0])


@pytest.mark.parametrize("size", [(640, 480), (64, 64), (300, 900)])
@pytest.mark.parametrize("box", [(0.0, 0.0, 0.2, 0.3), (0.7, 0.6, 0.95, 0.9), (0.1, 0.42, 0.3, 0.58)])
def test_null_boxes_match_in_size_and_distance_and_lie_elsewhere(
    box: tuple[float, float, float, float], size: tuple[int, int]
) -> None:
    width, height = size

    def distance(one: tuple[float, float, float, float]) -> float:
        return math.hypot(((one[0] + one[2]) / 2 - 0.5) * width, ((one[1] + one[3]) / 2 - 0.5) * height)

    found = null_boxes([box], size, np.random.default_rng(0))
    assert found
    for (other,) in found:
        np.testing.assert_allclose([other[2] - other[0], other[3] - other[1]], [box[2] - box[0], box[3] - box[1]])
        assert distance(other) == pytest.approx(distance(box))
        assert min(other) >= -1e-6 and max(other) <= 1 + 1e-6
        across = max(0, min(other[2], box[2]) - max(other[0], box[0]))
        down = max(0, min(other[3], box[3]) - max(other[1], box[1]))
        assert across * down <= 0.2501 * (box[2] - box[0]) * (box[3] - box[1])


def test_a_box_in_the_middle_has_no_null_box() -> None:
    assert null_boxes([(0.3, 0.3, 0.7, 0.7)], (100, 100), np.random.default_rng(0)) == []
    assert null_boxes([], (100, 100), np.random.default_rng(0)) == []


def test_null_boxes_of_a_map_that_falls_off_from_the_centre_have_the_boxs_lift() -> None:
    tokens = grid(32)
    assert tokens.boxes is not None
    centre = (tokens.boxes[:, :2] + tokens.boxes[:, 2:]) / 2 - 0.5
    mass = np.exp(-8 * (centre**2).sum(axis=1))
    box = (0.6, 0.55, 0.8, 0.75)
    own = box_figures(mass, covered(tokens, {0: [box]})).lift[0]
    nulls = [
        box_figures(mass, covered(tokens, {0: each})).lift[0]
        for each in null_boxes([box], (64, 64), np.random.default_rng(1))
    ]
    assert own > 1.2  # which says nothing of the object
    assert np.mean(nulls) == pytest.approx(own, rel=0.05)
