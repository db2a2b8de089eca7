"""How much of a map over image tokens lies in boxes, beside boxes that might as well have been drawn."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .tokens import Box, ImageTokens

__all__ = [
    "LARGEST_OVERLAP",
    "BoxFigures",
    "Boxes",
    "box_figures",
    "in_boxes",
    "null_boxes",
    "null_tracks",
    "overlap_of",
]

Floats = npt.NDArray[np.float64]
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


def in_boxes(tokens: ImageTokens, boxes: Boxes) -> Floats:
    """`[tokens]`: the share of each token's area in the boxes of its picture; the mean over the frames of a token."""
    found = np.zeros(len(tokens))
    for number, own in boxes.items():
        at = _part(tokens, number)
        found[at > 0] += tokens.only(at > 0).overlap(own) * at[at > 0]
    return found


def _part(tokens: ImageTokens, number: int) -> Floats:
    """`[tokens]`: the share of a picture or frame in what each token stands for: one half for one of two frames."""
    first, last = tokens.shown.T
    share: Floats = ((first <= number) & (number <= last)) / (last - first + 1)
    return share


def box_figures(
    maps: npt.ArrayLike,
    tokens: ImageTokens,
    boxes: Boxes,
    kept: npt.NDArray[np.bool_] | None = None,
) -> BoxFigures:
    """The figures of maps `[maps, tokens]`, none negative, against boxes.

    Tokens count alike, whatever their size: a picture shown whole and in pieces has both among them, and a flat map has
    lift 1 all the same. Boxes that no token touches give NaN.

    Args:
        maps: the maps.
        tokens: what they are maps of.
        boxes: where.
        kept: `[maps, tokens]`: which tokens are there for each map; the others count neither in the boxes nor outside.
    """
    mass = np.atleast_2d(np.asarray(maps, dtype=np.float64))
    if kept is not None and not kept.all():
        return _of_some(mass, tokens, boxes, kept)
    seen = tokens.inside() > 0
    total = mass.sum(axis=1)
    outside = _ratio(mass[:, ~seen].sum(axis=1), total)
    mass, share = mass[:, seen], in_boxes(tokens, boxes)[seen]
    assert tokens.boxes is not None
    centres = (tokens.boxes[seen, :2] + tokens.boxes[seen, 2:]).astype(np.float64) / 2
    hit = _centre_in(centres, tokens.only(seen), boxes)
    if not share.any():
        nothing = np.full(len(mass), np.nan)
        return BoxFigures(nothing, nothing, nothing, outside)
    lift = _ratio(mass @ share, mass.sum(axis=1)) / share.mean()
    largest = mass == mass.max(axis=1, keepdims=True)
    pointing = np.where(np.isfinite(lift), (largest * hit).sum(axis=1) / largest.sum(axis=1), np.nan)
    auroc = np.array([_auroc(row, share) for row in mass])
    return BoxFigures(lift, pointing, np.where(np.isfinite(lift), auroc, np.nan), outside)


def _of_some(mass: Floats, tokens: ImageTokens, boxes: Boxes, kept: npt.NDArray[np.bool_]) -> BoxFigures:
    """Maps that share their tokens are taken together."""
    names = ("lift", "pointing", "auroc", "outside")
    found = {name: np.full(len(mass), np.nan) for name in names}
    sets, of_map = np.unique(kept, axis=0, return_inverse=True)
    for number, own in enumerate(sets):
        rows = np.flatnonzero(of_map.reshape(-1) == number)
        figures = box_figures(mass[np.ix_(rows, own)], tokens.only(own), boxes)
        for name in names:
            found[name][rows] = getattr(figures, name)
    return BoxFigures(**found)


def _ratio(part: Floats, whole: Floats) -> Floats:
    found: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return found


def _centre_in(centres: Floats, tokens: ImageTokens, boxes: Boxes) -> Floats:
    """`[tokens]`: whether the centre of each token lies in a box; of two frames, in how many of them."""
    found = np.zeros(len(centres))
    x, y = centres[:, 0], centres[:, 1]
    for number, own in boxes.items():
        inside = [(left <= x) & (x < right) & (top <= y) & (y < bottom) for left, top, right, bottom in own]
        found += _part(tokens, number) * np.any(inside, axis=0)
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
        if min(moved) >= -1e-9 and max(moved) <= 1 + 1e-9 and _covered(moved, taken) <= LARGEST_OVERLAP:
            found.append(moved)
    return found


def _covered(box: Box, by: Sequence[Box]) -> float:
    """Share of a box that lies in others."""
    one = np.zeros(1, dtype=np.int64)
    return float(ImageTokens(one, one, np.asarray([box], dtype=np.float32)).overlap(by)[0])


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
    found: list[tuple[int, dict[int, Sequence[Box]]]] = []
    for delay in rng.permutation(np.arange(1, max(n_frames, 1))):
        moved = {(frame + int(delay)) % n_frames: boxes for frame, boxes in path.items()}
        shown = {frame: boxes for frame, boxes in moved.items() if not among or frame in among}
        if shown and len(found) < count and overlap_of(shown, own) <= LARGEST_OVERLAP:
            found.append((int(delay), moved))
    return found


def overlap_of(boxes: Boxes, own: Boxes) -> float:
    """Mean share of boxes that lies in others of their pictures or frames."""
    shares = [_covered(box, own.get(number, ())) for number, each in boxes.items() for box in each]
    return float(np.mean(shares)) if shares else 0.0
