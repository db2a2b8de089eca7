"""Where what a question asks about lies among the image tokens of a sample, and where else it might as well lie."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import (
    LARGEST_OVERLAP,
    N_NULL,
    Boxes,
    Covered,
    covered,
    null_boxes,
    null_tracks,
    overlap_of,
)
from lens_tasks.regions import ASKED, Box, PlacedBox

__all__ = ["Place", "Places", "places_of", "seen_boxes", "shifted"]

Bools = npt.NDArray[np.bool_]

NO_NULL_BOX = "no_null_box: a box fits nowhere else at its distance from the centre"
NO_NULL_TRACK = "no_null_box: at all other times it is in the same places"
NEVER_SEEN = "hidden: no image token stands for frames alone in which all that is asked about is seen"


@dataclass(frozen=True)
class Place:
    """Some boxes among the image tokens of a sample.

    Attributes:
        inside: what of the tokens lies in the boxes.
        kept: `[tokens]`: the tokens that figures are about; None for all.
    """

    inside: Covered = field(repr=False)
    kept: Bools | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Places:
    """What is asked about, and its nulls.

    Of a track, figures are about the frames in which nothing that is asked about is hidden; tokens of the others are
    left out, as are frames in which its place is not known.

    Attributes:
        own: of what is asked about. Of a track the boxes are those of all frames, hidden or not.
        nulls: null boxes; of a track the same path at other times.
        others: tracks of other objects of the video, one each; none for pictures.
        hidden: the same boxes among the tokens of the frames in which all that is asked about is hidden; None for
            pictures, and where there is no such frame.
        hidden_nulls: the path at other times among the same tokens.
        visible: frame -> share of what is asked about that is seen there; empty for pictures.
        why_none: status of samples without `nulls`.
    """

    own: Place
    nulls: tuple[Place, ...]
    others: tuple[Place, ...] = ()
    hidden: Place | None = None
    hidden_nulls: tuple[Place, ...] = ()
    visible: Mapping[int, float] = field(default_factory=dict)
    why_none: str = NO_NULL_BOX


def places_of(
    boxes: Sequence[PlacedBox], tokens: ImageTokens, sizes: Sequence[tuple[int, int]], rng: np.random.Generator
) -> Places | None:
    """The places of a sample; None where no box is of what is asked about.

    Args:
        boxes: of its document.
        tokens: its image tokens.
        sizes: width and height of its pictures.
        rng: draws the nulls.
    """
    asked = _by_number(each for each in boxes if each.role == ASKED)
    if not asked:
        return None
    if tokens.frames is None:
        nulls = tuple(Place(covered(tokens, each)) for each in _null_sets(asked, sizes, rng, N_NULL))
        return Places(Place(covered(tokens, asked)), nulls)
    return _in_time(boxes, tokens, rng)


def seen_boxes(boxes: Iterable[PlacedBox], *, asked: bool = True) -> dict[int, list[Box]]:
    """Number of a picture or frame -> the boxes of what is asked about, or of all else, where it is seen."""
    return _by_number(each for each in boxes if (each.role == ASKED) == asked and each.seen > 0)


def shifted(
    boxes: Boxes, tokens: ImageTokens, sizes: Sequence[tuple[int, int]], rng: np.random.Generator, count: int
) -> list[Boxes]:
    """Up to `count` nulls of boxes: null boxes in pictures, the same path at another time in a video."""
    if tokens.frames is None:
        return list(_null_sets(boxes, sizes, rng, count))
    return [moved for _, moved in null_tracks(boxes, boxes, _n_frames(tokens), rng, count)]


def _in_time(boxes: Sequence[PlacedBox], tokens: ImageTokens, rng: np.random.Generator) -> Places:
    n_frames = _n_frames(tokens)
    asked = [each for each in boxes if each.role == ASKED]
    unknown = {each.image for each in asked if each.box is None}
    shares: dict[int, list[float]] = {}
    for each in asked:
        if each.image not in unknown:
            shares.setdefault(each.image, []).append(each.seen)
    path = _by_number(each for each in asked if each.image in shares)
    hidden = {frame for frame, own in shares.items() if not any(own)}
    seen = set(range(n_frames)) - unknown - {frame for frame, own in shares.items() if not all(own)}

    def moved(among: set[int]) -> tuple[Place, ...]:
        """The path at other times, in some of the frames."""
        found = null_tracks(path, path, n_frames, rng, among=among)
        return tuple(
            Place(covered(tokens, later), _only(tokens, among - {(frame + delay) % n_frames for frame in unknown}))
            for delay, later in found
        )

    own, kept = covered(tokens, path), _only(tokens, seen)
    found = kept & (own.share > 0)
    return Places(
        Place(own, kept),
        moved(seen) if found.any() else (),
        tuple(_others(boxes, path, tokens, seen)),
        Place(own, _only(tokens, hidden)) if hidden else None,
        moved(hidden) if hidden else (),
        {frame: float(np.mean(own)) for frame, own in shares.items()},
        NO_NULL_TRACK if found.any() else NEVER_SEEN,
    )


def _others(boxes: Sequence[PlacedBox], path: Boxes, tokens: ImageTokens, seen: set[int]) -> Iterable[Place]:
    """Each track that is not asked about, where it is seen, if it lies elsewhere."""
    tracks: dict[int | None, list[PlacedBox]] = {}
    for each in boxes:
        if each.role != ASKED and each.image in seen:
            tracks.setdefault(each.track, []).append(each)
    for own in tracks.values():
        unknown = {each.image for each in own if each.box is None}
        found = _by_number(each for each in own if each.seen > 0 and each.image not in unknown)
        if found and overlap_of(found, path) <= LARGEST_OVERLAP:
            yield Place(covered(tokens, found), _only(tokens, seen - unknown))


def _n_frames(tokens: ImageTokens) -> int:
    return int(tokens.shown.max(initial=-1)) + 1


def _only(tokens: ImageTokens, frames: Collection[int]) -> Bools:
    """`[tokens]`: those that stand for nothing but these frames."""
    inside = np.isin(np.arange(_n_frames(tokens)), list(frames))
    first, last = tokens.shown.T
    before = np.concatenate([[0], np.cumsum(inside)])
    kept: Bools = before[last + 1] - before[first] == last - first + 1
    return kept


def _by_number(boxes: Iterable[PlacedBox]) -> dict[int, list[Box]]:
    found: dict[int, list[Box]] = {}
    for each in boxes:
        if each.box is not None:
            found.setdefault(each.image, []).append(each.box)
    return found


def _null_sets(
    asked: Boxes, sizes: Sequence[tuple[int, int]], rng: np.random.Generator, count: int
) -> list[dict[int, list[Box]]]:
    """Null boxes of all pictures together."""
    drawn = {image: null_boxes(own, sizes[image], rng, count) for image, own in asked.items()}
    if not all(drawn.values()):
        return []
    most = max(map(len, drawn.values()), default=0)
    return [{image: sets[number % len(sets)] for image, sets in drawn.items()} for number in range(most)]
