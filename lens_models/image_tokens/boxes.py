"""How much of a map over image tokens lies in boxes, beside boxes that might as well have been drawn."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .tokens import Box, ImageTokens, overlap

__all__ = [
    "LARGEST_OVERLAP",
    "BoxFigures",
    "Boxes",
    "Covered",
    "box_figures",
    "box_lifts",
    "covered",
    "in_boxes",
    "null_boxes",
    "null_tracks",
    "overlap_of",
]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Boxes = Mapping[int, Sequence[Box]]
"""Number of a picture of the prompt, or of a frame of its video as it is shown -> the boxes there."""

N_NULL = 20
_ANGLES = 72
LARGEST_OVERLAP = 0.25
"""Share of a null box that may lie in the boxes themselves."""


@dataclass(frozen=True)
class BoxFigures:
    """How maps `[maps, tokens]` lie to boxes; every array is `[maps]`, NaN where a map has no mass in the picture.

    Attributes:
        lift: share of the map's mass in the boxes divided by the share of image tokens in them; 1 for a flat map.
        pointing: 1 where the centre of the largest token lies in a box, 0 where not; tied tokens share, and so do the
            frames of a token.
        auroc: probability that a token in the boxes has more mass than one outside; a token partly inside counts as
            both, by its shares.
        outside: share of the mass on tokens that lie wholly in a border of the picture; the other figures leave it out.
    """

    lift: Floats
    pointing: Floats
    auroc: Floats
    outside: Floats


@dataclass(frozen=True)
class Covered:
    """What of each image token lies in some boxes; every array is `[tokens]`.

    Attributes:
        share: share of the token's area; the mean over the frames of a token.
        centre: whether its centre lies in a box, 1 or 0; of a token of several frames, in how many of them.
        seen: whether it lies at least partly in its picture and not in a border.
    """

    share: Floats
    centre: Floats
    seen: Bools


def covered(tokens: ImageTokens, boxes: Boxes) -> Covered:
    """What of the tokens lies in boxes."""
    assert tokens.boxes is not None, "these image tokens have no place in the picture"
    share, centre = np.zeros(len(tokens)), np.zeros(len(tokens))
    first, last = tokens.shown.T
    x, y = (tokens.boxes[:, :2] + tokens.boxes[:, 2:]).astype(np.float64).T / 2
    for number, own in boxes.items():
        here = np.flatnonzero((first <= number) & (number <= last))
        part = 1.0 / (last[here] - first[here] + 1)  # one half for one of two frames
        share[here] += part * overlap(tokens.boxes[here], own)
        inside = [(left <= x[here]) & (x[here] < right) & (top <= y[here]) & (y[here] < bottom)
                  for left, top, right, bottom in own]  # fmt: skip
        centre[here] += part * np.any(inside, axis=0)
    return Covered(share, centre, tokens.inside() > 0)


def in_boxes(tokens: ImageTokens, boxes: Boxes) -> Floats:
    """`[tokens]`: the share of each token's area in the boxes of its picture; the mean over the frames of a token."""
    return covered(tokens, boxes).share


def box_lifts(maps: npt.ArrayLike, inside: Covered, kept: Bools | None = None) -> Floats:
    """`[maps]`: lift of maps `[maps, tokens]`, see `BoxFigures`; arguments as of `box_figures`."""
    mass, there = _among(maps, inside, kept)
    mass = np.where(there, mass, 0.0)
    flat = there @ inside.share / np.maximum(there.sum(axis=1), 1)
    return _ratio(_ratio(mass @ inside.share, mass.sum(axis=1)), flat)


def box_figures(maps: npt.ArrayLike, inside: Covered, kept: Bools | None = None) -> BoxFigures:
    """The figures of maps `[maps, tokens]`, none negative, against boxes.

    Tokens count alike, whatever their size: a picture shown whole and in pieces has both among them, and a flat map has
    lift 1 all the same. Boxes that no token touches give NaN.

    Args:
        maps: the maps.
        inside: what of their tokens lies in the boxes.
        kept: `[maps, tokens]`: which tokens are there for each map; the others count neither in the boxes nor outside.
    """
    mass, there = _among(maps, inside, kept)
    own = np.ones(mass.shape, dtype=np.bool_) if kept is None else np.broadcast_to(kept, mass.shape)
    lift = box_lifts(maps, inside, kept)
    pointing, auroc = np.full(len(mass), np.nan), np.full(len(mass), np.nan)
    for row in np.flatnonzero(np.isfinite(lift)):
        among = there[row]
        values = mass[row, among]
        largest = values == values.max()
        pointing[row] = inside.centre[among][largest].mean()
        auroc[row] = _auroc(values, inside.share[among])
    outside = _ratio((mass * (own & ~inside.seen)).sum(axis=1), (mass * own).sum(axis=1))
    return BoxFigures(lift, pointing, auroc, outside)


def _among(maps: npt.ArrayLike, inside: Covered, kept: Bools | None) -> tuple[Floats, Bools]:
    """The maps, and which tokens count for each of them, both `[maps, tokens]`."""
    mass = np.atleast_2d(np.asarray(maps, dtype=np.float64))
    there = np.broadcast_to(inside.seen if kept is None else inside.seen & kept, mass.shape)
    return mass, there


def _ratio(part: Floats, whole: Floats) -> Floats:
    found: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return found


def _auroc(scores: Floats, share: Floats) -> float:
    """Weighted AUROC: each token is a positive of weight `share` and a negative of weight 1 - `share`."""
    negative = 1.0 - share
    if share.sum() <= 0 or negative.sum() <= 0:
        return math.nan
    order = np.argsort(scores, kind="stable")
    _, start, counts = np.unique(scores[order], return_index=True, return_counts=True)
    lower = np.concatenate([[0.0], np.cumsum(np.add.reduceat(negative[order], start))])[:-1]
    tied = np.add.reduceat(negative[order], start)
    below = np.repeat(lower + 0.5 * tied, counts)
    return float((share[order] * below).sum() / (share.sum() * negative.sum()))


def null_boxes(
    boxes: Sequence[Box], size: tuple[int, int], rng: np.random.Generator, count: int = N_NULL
) -> list[list[Box]]:
    """Up to `count` sets of boxes of the same sizes at the same distances from the centre of the picture.

    What a map has in them it would have without looking for anything: pictures are taken with their objects in the
    middle, and attention falls off from there. Each box is turned round the centre by an angle of its own, stays in the
    picture, and lies with at most a quarter of its area in the boxes themselves.

    Args:
        boxes: of one picture.
        size: its width and height in pixels; distances are pixels.
        rng: draws among the angles that fit.
        count: how many sets.

    Returns:
        The sets, one box in them for each of `boxes`; empty where some box fits nowhere else, as one in the middle.
    """
    places = [_places(box, boxes, size) for box in boxes]
    if not boxes or not all(places):
        return []
    picked = [[own[i] for i in _spread(rng, len(own), count)] for own in places]
    distinct = min(count, max(map(len, places)))
    return [[own[number] for own in picked] for number in range(distinct)]


def _spread(rng: np.random.Generator, available: int, count: int) -> list[int]:
    """`count` draws out of `available` that repeat none before all were drawn."""
    rounds = -(-count // available)
    return [int(i) for _ in range(rounds) for i in rng.permutation(available)][:count]


def _places(box: Box, taken: Sequence[Box], size: tuple[int, int]) -> list[Box]:
    width, height = size
    half_w, half_h = (box[2] - box[0]) * width / 2, (box[3] - box[1]) * height / 2
    x, y = (box[0] + box[2]) * width / 2 - width / 2, (box[1] + box[3]) * height / 2 - height / 2
    distance, angle = math.hypot(x, y), math.atan2(y, x)
    found = []
    for step in range(1, _ANGLES):
        turned = angle + 2 * math.pi * step / _ANGLES
        cx, cy = width / 2 + distance * math.cos(turned), height / 2 + distance * math.sin(turned)
        moved = (cx - half_w) / width, (cy - half_h) / height, (cx + half_w) / width, (cy + half_h) / height
        if min(moved) >= -1e-9 and max(moved) <= 1 + 1e-9 and overlap([moved], taken)[0] <= LARGEST_OVERLAP:
            found.append(moved)
    return found


def null_tracks(
    path: Boxes, own: Boxes, n_frames: int, rng: np.random.Generator, count: int = N_NULL, among: Collection[int] = ()
) -> list[tuple[int, dict[int, Sequence[Box]]]]:
    """Up to `count` times the same path at another time: every box as many frames later, the last ones from the start.

    What a map has in them it would have in these places of the frame without knowing when the object is there. At most
    a quarter of the area of its boxes lies in `own`: an object that rests has no such path.

    Args:
        path: frame -> boxes.
        own: what the paths are a null of.
        n_frames: frames that are shown.
        rng: draws among the delays that fit.
        count: how many.
        among: the frames that figures are about; all without any.

    Returns:
        The delays in frames, each with the boxes at that time.
    """
    at = np.array([frame for frame, boxes in path.items() for _ in boxes], dtype=np.int64)
    every = np.array([box for boxes in path.values() for box in boxes], dtype=np.float64).reshape(-1, 4)
    shared = np.stack([overlap(every, own.get(frame, ())) for frame in range(n_frames)]) if n_frames else every[:0]
    counts = np.isin(np.arange(n_frames), list(among)) if among else np.ones(n_frames, dtype=np.bool_)
    found: list[tuple[int, dict[int, Sequence[Box]]]] = []
    for delay in rng.permutation(np.arange(1, max(n_frames, 1))):
        later = (at + delay) % n_frames
        shown = np.flatnonzero(counts[later])
        if len(shown) and len(found) < count and shared[later[shown], shown].mean() <= LARGEST_OVERLAP:
            found.append((int(delay), {int((frame + delay) % n_frames): boxes for frame, boxes in path.items()}))
    return found


def overlap_of(boxes: Boxes, own: Boxes) -> float:
    """Mean share of boxes that lies in others of their pictures or frames."""
    shares = [overlap(each, own.get(number, ())) for number, each in boxes.items() if len(each)]
    return float(np.concatenate(shares).mean()) if shares else 0.0
