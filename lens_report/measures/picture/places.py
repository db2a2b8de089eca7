"""How much of image tokens lies in boxes, from what records hold of both."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PICTURE = np.array([[0.0, 0.0, 1.0, 1.0]])


def shares(tokens: Floats, boxes: Floats) -> Floats:
    """Share of each token's area in the union of boxes: [tokens, 4], [boxes, 4] -> [tokens].

    Boxes are left, top, right, bottom. A place in two boxes counts once; a token without an area has no share.
    """
    covered = np.zeros(len(tokens))
    for left, right in itertools.pairwise(np.unique(boxes[:, [0, 2]])):
        for top, bottom in itertools.pairwise(np.unique(boxes[:, [1, 3]])):
            x, y = (left + right) / 2, (top + bottom) / 2
            if ((boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])).any():
                covered += _area(tokens, np.array([left, top, right, bottom]))
    area = _area(tokens, np.array([-np.inf, -np.inf, np.inf, np.inf]))
    return np.divide(covered, area, out=np.zeros(len(tokens)), where=area > 0)


def shares_by_picture(tokens: Floats, image: Floats, boxes: Floats, box_image: Floats) -> Floats:
    """The same with each token and box in its own picture: `image` [tokens] and `box_image` [boxes] are its number."""
    found = np.zeros(len(tokens))
    for number in np.unique(box_image):
        here = image == number
        found[here] = shares(tokens[here], boxes[box_image == number])
    return found


def lifts(maps: Floats, inside: Floats) -> Floats:
    """Share of each map's mass in boxes over the share of tokens in them.

    [maps, tokens], [tokens, sets] -> [maps, sets]. `inside` is the share of each token in each set of boxes. NaN for a
    map without mass and for boxes without a token.
    """
    expected = maps.sum(axis=1)[:, None] * inside.mean(axis=0)[None, :]
    return np.where(expected > 0, maps @ inside / np.where(expected > 0, expected, 1.0), np.nan)


def _area(tokens: Floats, box: Floats) -> Floats:
    width = np.minimum(tokens[:, 2], box[2]) - np.maximum(tokens[:, 0], box[0])
    height = np.minimum(tokens[:, 3], box[3]) - np.maximum(tokens[:, 1], box[1])
    area: Floats = np.clip(width, 0, None) * np.clip(height, 0, None)
    return area
