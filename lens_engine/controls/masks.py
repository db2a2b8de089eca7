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

__all__ = ["BOXES", "MASK_NAMES", "TOP_ATTENTION", "TOP_LENS", "Masks", "NoMaskError", "masks_of"]

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
    """

    own: Tokens
    random: tuple[Tokens, ...]
    null: tuple[Tokens, ...] = ()


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
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(repr((key, name)).encode()).digest()[:8], "big"))
    asked = {} if isinstance(boxes, BoxError) else seen_boxes(boxes)
    if name == BOXES:
        own, null = _of_boxes(tokens, sizes, boxes, asked, rng)
    else:
        count = _touched(tokens, asked) or max(1, round(_TOP_SHARE * len(tokens)))
        own, null = _top(heats.get({TOP_ATTENTION: "attention", TOP_LENS: "image_tokens"}[name]), count, name), ()
    others = np.setdiff1d(np.arange(len(tokens)), own)
    if len(others) < len(own):
        raise NoMaskError("too_large", f"{len(own)} of {len(tokens)} image tokens leave too few others to compare with")
    random = tuple(_numbers(rng.permutation(others)[: len(own)]) for _ in range(REPEATS))
    return Masks(own, random, tuple(null))


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
    count = _touched(tokens, asked)
    if not count:
        raise NoMaskError("no_box", "the document has no box of what is asked about")
    sets = shifted(asked, tokens, sizes, rng, REPEATS)
    null = [_most_inside(tokens, each, count) for each in sets]
    return _most_inside(tokens, asked, count), [null[number % len(null)] for number in range(REPEATS if null else 0)]


def _touched(tokens: ImageTokens, asked: Boxes) -> int:
    """How many image tokens the boxes are: those that lie in them by half or more, one where none does."""
    if tokens.boxes is None or not asked:
        return 0
    share = in_boxes(tokens, asked)
    return max(int((share >= _INSIDE).sum()), int(share.any()))


def _most_inside(tokens: ImageTokens, boxes: Boxes, count: int) -> Tokens:
    return _numbers(np.argsort(-in_boxes(tokens, boxes), kind="stable")[:count])


def _top(heat: Floats | None, count: int, name: str) -> Tokens:
    if heat is None:
        raise NoMaskError("no_map", f"{name} needs the map of its probe (lens_probes), which this sample does not have")
    return _numbers(np.argsort(-heat, kind="stable")[:count])


def _numbers(found: npt.NDArray[np.int64]) -> Tokens:
    return tuple(sorted(int(each) for each in found))


def all_masks(masks: Masks) -> Iterator[tuple[str, Tokens]]:
    """(kind, tokens) of every mask: own, random, null."""
    yield "own", masks.own
    yield from (("random", each) for each in masks.random)
    yield from (("null", each) for each in masks.null)
