"""What share of an image token lies in boxes of the picture."""

from __future__ import annotations

import numpy as np
import pytest

from lens_models.image_tokens import ImageTokens


def tokens(*boxes: tuple[float, float, float, float]) -> ImageTokens:
    count = np.arange(len(boxes), dtype=np.int64)
    return ImageTokens(count, np.zeros_like(count), np.asarray(boxes, dtype=np.float32))


QUARTERS = tokens((0, 0, 0.5, 0.5), (0.5, 0, 1, 0.5), (0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1))


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], [0, 0, 0, 0]),
        ([(0, 0, 1, 1)], [1, 1, 1, 1]),
        ([(0, 0, 0.25, 0.5)], [0.5, 0, 0, 0]),
        ([(0.25, 0.25, 0.75, 0.75)], [0.25, 0.25, 0.25, 0.25]),
        ([(0, 0, 0.5, 0.25), (0, 0, 0.25, 0.5)], [0.75, 0, 0, 0]),  # a place in two boxes counts once
        ([(0.2, 0.2, 0.2, 0.9)], [0, 0, 0, 0]),  # a box without area
        ([(-1, -1, 0.5, 0.5), (0.75, 0.75, 3, 3)], [1, 0, 0, 0.25]),
    ],
)
def test_overlap_is_the_share_of_each_token_in_the_union(
    boxes: list[tuple[float, float, float, float]], expected: list[float]
) -> None:
    np.testing.assert_allclose(QUARTERS.overlap(boxes), expected, atol=1e-7)


def test_a_border_is_not_inside_the_picture() -> None:
    found = tokens((-0.5, 0, 0.5, 1), (-1, 0, 0, 1), (0, 0, 1, 1)).inside()
    np.testing.assert_allclose(found, [0.5, 0, 1], atol=1e-7)


def test_no_image_tokens_say_why() -> None:
    nothing = ImageTokens.none()
    assert len(nothing) == 0 and nothing.problem is None and nothing.inside().shape == (0,)
    assert ImageTokens.none("a Q-Former").boxes is None
