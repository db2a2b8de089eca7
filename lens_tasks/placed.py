"""A place in a picture or in a frame of a video, and why one cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ASKED", "ROLES", "Box", "BoxError", "PlacedBox"]

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in shares of the picture's width and height, `0, 0` at its top left."""

ASKED: Final = "asked"
ROLES: Final = (ASKED, "anchor", "other")


class BoxError(ValueError):
    """A document's boxes or tracks cannot be used; `status` is one word for tables, the text says what was found.

    `status` is one of `bad_form`, `no_picture`, `no_frames`, `swapped`, `zero_area`, `outside`, `units`.
    """

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class PlacedBox:
    """A box in its picture, or that of a track in one frame.

    Attributes:
        box: in shares of the picture; None where the object may be but the track does not say where.
        image: number of the picture in order of the prompt, from 0; of a track the number of the frame as it is shown.
        role: `asked` for what the question is about, `anchor` for what it only names, `other` for the rest.
        label: what is in it, or None.
        track: id of the track; None for a box of a picture.
        seen: share of the object that is seen there; 0 where it is hidden.
    """

    box: Box | None
    image: int = 0
    role: str = ASKED
    label: str | None = None
    track: int | None = None
    seen: float = 1.0
