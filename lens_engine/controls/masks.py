"""Which image tokens are taken away to see whether the answer depends on them, and against which others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lens_engine.places import seen_boxes, shifted
from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import Boxes, in_boxes
from lens_results.record import Key
from lens_tasks.regions import BoxError, PlacedBox

__all__ = ["BOXES", "MASK_NAMES", "TOP_ATTENTION", "TOP_LENS", "Masks", "NoMaskError", "masks_of", "masks_of_boxes"]

Floats = npt.NDArray[np.float64]
Tokens = tuple[int, ...]

BOXES, TOP_ATTENTION, TOP_LENS = "boxes", "top_attention", "top_lens"
MASK_NAMES: tuple[str, ...] = (BOXES, TOP_ATTENTION, TOP_LENS)
REPEATS = 3
"""Random masks, and null boxes, for each mask."""
_TOP_SHARE = 0.1
"""Share of the image tokens that are a map's top where the document has no boxes to say how many."""
_INSIDE = 0.5


class NoMaskError(Exception):
    """A sample has nothing to mask; args are one word and the reason."""


@dataclass(frozen=True)
class Masks:
    """Image tokens by number, in order of the prompt; all masks of a sample hold the same number of them.

    Attributes:
        own: those that are meant.
        random: other image tokens, drawn.
        null: the tokens of null boxes, or of the same path at another time; empty for masks that are not of boxes, and
            where a box fits nowhere else.
        other: tokens of other objects of a video, drawn; empty for masks that are not of tracks, and where there are
            too few.
    """

    own: Tokens
    random: tuple[Tokens, ...]
    null: tuple[Tokens, ...] = ()
    other: tuple[Tokens, ...] = ()


def masks_of(
    name: str,
    key: Key,
    tokens: ImageTokens,
    sizes: Sequence[tuple[int, int]],
    boxes: Sequence[PlacedBox] | BoxError,
    heats: Mapping[str, Floats],
) -> Masks:
    """The masks of one sample; the same in every run.

    Args:
        name: out of `MASK_NAMES`.
        key: of the sample.
        tokens: its image tokens.
        sizes: of its pictures, in pixels.
        boxes: of its document.
        heats: probe -> one number an image token.

    Raises:
        NoMaskError: there is nothing to mask.
    """
    if not len(tokens):
        raise NoMaskError("no_image", tokens.problem or "the prompt has no image tokens")
    rng = _seeded(key, name)
    asked = {} if isinstance(boxes, BoxError) else seen_boxes(boxes)
    if name == BOXES:
        own, null = _of_boxes(tokens, sizes, boxes, asked, rng)
    else:
        count = int(_inside(tokens, asked)[0].sum()) or max(1, round(_TOP_SHARE * len(tokens)))
        own, null = _top(heats.get({TOP_ATTENTION: "attention", TOP_LENS: "image_tokens"}[name]), count, name), ()
    others = np.setdiff1d(np.arange(len(tokens)), own)
    if len(others) < len(own):
        raise NoMaskError("too_large", f"{len(own)} of {len(tokens)} image tokens leave too few others to compare with")
    random = _draws(others, len(own), rng)
    if name != BOXES or tokens.frames is None or isinstance(boxes, BoxError):
        return Masks(own, random, tuple(null))
    further = np.setdiff1d(np.flatnonzero(_inside(tokens, seen_boxes(boxes, asked=False))[0]), own)
    return Masks(own, random, tuple(null), _draws(further, len(own), rng) if len(further) >= len(own) else ())


def masks_of_boxes(name: str, key: Key, tokens: ImageTokens, sizes: Sequence[tuple[int, int]], boxes: Boxes) -> Masks:
    """The image tokens of some boxes and those of their null boxes; the same in every run.

    Args:
        name: of the boxes, which with `key` seeds the draw.
        key: of the sample.
        tokens: its image tokens.
        sizes: of its pictures, in pixels.
        boxes: the boxes.

    Raises:
        NoMaskError: there is nothing to mask.
    """
    rng = _seeded(key, name)
    own, null = _of_boxes(tokens, sizes, (), boxes, rng)
    return Masks(own, (), tuple(null))


def _seeded(key: Key, name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr((key, name)).encode()).digest()[:8], "big"))


def _of_boxes(
    tokens: ImageTokens,
    sizes: Sequence[tuple[int, int]],
    boxes: Sequence[PlacedBox] | BoxError,
    asked: Boxes,
    rng: np.random.Generator,
) -> tuple[Tokens, Iterable[Tokens]]:
    if isinstance(boxes, BoxError):
        raise NoMaskError(boxes.status, str(boxes))
    if tokens.boxes is None:
        raise NoMaskError("no_geometry", tokens.problem or "where the image tokens lie is not known")
    own = _numbers(np.flatnonzero(_inside(tokens, asked)[0]))
    if not own:
        raise NoMaskError("no_box", "the document has no box of what is asked about")
    null = [_most_inside(tokens, each, len(own)) for each in shifted(asked, tokens, sizes, rng, REPEATS)]
    return own, [null[number % len(null)] for number in range(REPEATS if null else 0)]


def _inside(tokens: ImageTokens, boxes: Boxes) -> tuple[npt.NDArray[np.bool_], Floats]:
    """`[tokens]`: which image tokens the boxes are, and how much of each lies in them.

    They are those that lie in them by half or more; where a picture, or frames that are joined, have none of these, the
    one that lies in them most.
    """
    if tokens.boxes is None or not boxes:
        return np.zeros(len(tokens), dtype=np.bool_), np.zeros(len(tokens))
    share = in_boxes(tokens, boxes)
    inside = share >= _INSIDE
    groups, of_token = np.unique(tokens.shown, axis=0, return_inverse=True)
    for group in range(len(groups)):
        here = np.flatnonzero(of_token.reshape(-1) == group)
        if share[here].any() and not inside[here].any():
            inside[here[share[here].argmax()]] = True
    return inside, share


def _most_inside(tokens: ImageTokens, boxes: Boxes, count: int) -> Tokens:
    inside, share = _inside(tokens, boxes)
    return _numbers(np.lexsort((-share, ~inside))[:count])


def _draws(among: npt.NDArray[np.int64], count: int, rng: np.random.Generator) -> tuple[Tokens, ...]:
    return tuple(_numbers(rng.permutation(among)[:count]) for _ in range(REPEATS))


def _top(heat: Floats | None, count: int, name: str) -> Tokens:
    if heat is None:
        raise NoMaskError("no_map", f"{name} needs the map of its probe (lens_probes), which this sample does not have")
    return _numbers(np.argsort(-heat, kind="stable")[:count])


def _numbers(found: npt.NDArray[np.int64]) -> Tokens:
    return tuple(sorted(int(each) for each in found))


def all_masks(masks: Masks) -> Iterator[tuple[str, Tokens]]:
    """(kind, tokens) of every mask: own, random, null, other."""
    yield "own", masks.own
    yield from (("random", each) for each in masks.random)
    yield from (("null", each) for each in masks.null)
    yield from (("other", each) for each in masks.other)
