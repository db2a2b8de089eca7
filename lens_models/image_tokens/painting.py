"""Pictures with one spot repainted, and how much each image token changes with each spot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from .tokens import Box, ImageTokens

__all__ = ["PAINTS", "Changes", "Run", "paint_all", "painted", "spots", "textured"]

Floats = npt.NDArray[np.float64]
Run = Callable[[Sequence[Image.Image]], npt.NDArray[np.float32]]
"""The pictures of one prompt -> `[sequence, d]`, what its first decoder layer is given."""

PAINTS = ((255, 0, 0), (0, 255, 64), (32, 0, 255))
_CORNERS = ((0.04, 0.04), (0.96, 0.04), (0.04, 0.96), (0.96, 0.96), (0.5, 0.5))


@dataclass(frozen=True)
class Changes:
    """What repainting did.

    Attributes:
        spots: the painted rectangles, in shares of the picture.
        change: `[spots, sequence]`: Euclidean distance between the inputs of the first decoder layer.
        whole: `[sequence]`, bool: which positions change when the whole picture does.
        frames: number of the frame of a video that each spot was painted in; None of pictures.
    """

    spots: tuple[Box, ...]
    change: Floats = field(repr=False)
    whole: npt.NDArray[np.bool_] = field(repr=False)
    frames: tuple[int, ...] | None = None


def textured(size: tuple[int, int], seed: int = 0, brightness: tuple[int, int] = (96, 160)) -> Image.Image:
    """Grey with a little texture: `size` is (width, height) in pixels, `brightness` the darkest and lightest."""
    random = np.random.default_rng(seed)
    noise = random.integers(*brightness, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise)


def spots(tokens: ImageTokens, image: int, n: int, seed: int = 0) -> list[Box]:
    """Rectangles to paint: at the corners, in the middle and at random places, each as large as the token it lies in.

    The places do not depend on the geometry; the rectangle is the smallest token box at the place, cut to the picture,
    and a rectangle of the usual size where the geometry says that no token looks.
    """
    assert tokens.boxes is not None
    own = tokens.boxes[tokens.image == image].astype(np.float64)
    area = (own[:, 2] - own[:, 0]) * (own[:, 3] - own[:, 1])
    usual = own[int(area.argmin())]
    width, height = usual[2] - usual[0], usual[3] - usual[1]
    random = np.random.default_rng(seed).uniform(0.03, 0.97, (max(0, n - len(_CORNERS)), 2))
    made = []
    for x, y in (*_CORNERS, *random.tolist()):
        inside = np.flatnonzero((own[:, 0] <= x) & (x < own[:, 2]) & (own[:, 1] <= y) & (y < own[:, 3]))
        box = own[inside[area[inside].argmin()]] if len(inside) else np.array(
            [x - width / 2, y - height / 2, x + width / 2, y + height / 2])  # fmt: skip
        left, top, right, bottom = box.clip(0, 1).tolist()
        made.append((left, top, right, bottom))
    return made


def paint_all(run: Run, pictures: Sequence[Image.Image], image: int, boxes: Sequence[Box]) -> Changes:
    """Repaint one spot of one picture at a time.

    Args:
        run: one prompt with the pictures.
        pictures: of the prompt, in order.
        image: number of the picture to repaint.
        boxes: the spots.
    """
    plain = run(pictures)

    def change(other: Image.Image) -> Floats:
        shown = [other if number == image else picture for number, picture in enumerate(pictures)]
        distance: Floats = np.linalg.norm(run(shown).astype(np.float64) - plain, axis=-1)
        return distance

    # several, since a model of picture codes may give one place the same code in two pictures
    others = [Image.new("RGB", pictures[image].size, colour) for colour in ("black", "white", *PAINTS)]
    others += [textured(pictures[image].size, seed, (0, 255)) for seed in (7, 8)]
    whole = np.stack([change(other) for other in others]).max(0)
    rows = [change(painted(pictures[image], box, PAINTS[n % len(PAINTS)])) for n, box in enumerate(boxes)]
    return Changes(tuple(boxes), np.asarray(rows), whole > 0)


def painted(picture: Image.Image, box: Box, colour: tuple[int, int, int]) -> Image.Image:
    """A picture with a rectangle of one colour."""
    width, height = picture.size
    pixels = np.array(picture)
    left, right = _pixels(box[0], box[2], width)
    top, bottom = _pixels(box[1], box[3], height)
    pixels[top:bottom, left:right] = colour
    return Image.fromarray(pixels)


def _pixels(start: float, end: float, side: int) -> tuple[int, int]:
    """Pixels from start to end, at least one."""
    first = min(side - 1, max(0, round(start * side)))
    return first, max(first + 1, min(side, round(end * side)))
