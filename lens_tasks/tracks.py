"""Where the objects of a video are in each of its frames, from a document's `tracks` (docs/perception-mini.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lens_tasks.placed import ASKED, ROLES, Box, BoxError, PlacedBox

__all__ = ["Track", "placed_tracks", "tracks_of"]

COLUMN: Final = "tracks"
_FIELDS: Final = ("id", "label", "is_occluder", "bounding_boxes", "frame_ids", "timestamps", "is_masked")
_SLACK: Final = 1e-6
_LONGEST_GAP = 1.5
"""Steps between two annotated frames up to which an object is taken to have moved evenly from one to the other."""


@dataclass(frozen=True)
class Track:
    """One object of a video, in the n frames for which the document says where it is.

    Attributes:
        id: its number, unique in the video.
        label: what it is.
        is_occluder: whether it hides other objects.
        boxes: float64 [n, 4], left, top, right, bottom of the whole object in shares of the frame's width and height.
        frame_ids: int64 [n], numbers of the frames in the video, from 0, in rising order.
        timestamps: int64 [n], of these frames, in microseconds.
        is_masked: bool [n], true where nothing of the object is seen.
        visible: float64 [n], share of the object's pixels that is seen; None where the document does not say.
        role: `asked` for what the question is about, `anchor` for what it only names, `other` for the rest.
    """

    id: int
    label: str
    is_occluder: bool
    boxes: npt.NDArray[np.float64]
    frame_ids: npt.NDArray[np.int64]
    timestamps: npt.NDArray[np.int64]
    is_masked: npt.NDArray[np.bool_]
    visible: npt.NDArray[np.float64] | None = None
    role: str = ASKED

    def place(self, frame: int) -> int | None:
        """Where in the arrays a frame of the video is; None where the document does not say where the object is."""
        found = np.flatnonzero(self.frame_ids == frame)
        return int(found[0]) if len(found) else None


def tracks_of(document: Any) -> tuple[Track, ...] | None:
    """The tracks of a document; None where it has no column `tracks`.

    Raises:
        BoxError: one of them cannot be used; then none is, because the rest would pass for all.
    """
    given = document.get(COLUMN) if isinstance(document, Mapping) else None
    if given is None:
        return None
    given = given.tolist() if hasattr(given, "tolist") else given
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise BoxError("bad_form", f"tracks is {type(given).__name__}; expected a list of tracks")
    tracks = tuple(_track(number, entry) for number, entry in enumerate(given))
    if len({track.id for track in tracks}) < len(tracks):
        raise BoxError("bad_form", f"tracks have the ids {[track.id for track in tracks]}; expected different ones")
    return tracks


def placed_tracks(tracks: Sequence[Track], frames: Sequence[int]) -> tuple[PlacedBox, ...]:
    """Where the objects are in the frames that are shown; `image` of a box is the place of its frame in `frames`.

    A frame that is not annotated lies on the way between the two around it, where these are one step of the annotation
    apart. Where there is one of them alone, or the object is hidden in one of them alone, it may be there, and its box
    is None. Frames a step or more from all in which the object is annotated do not show it.

    Args:
        tracks: of one video.
        frames: numbers of the frames in the video.
    """
    step = _step(tracks)
    return tuple(
        PlacedBox(box, place, track.role, track.label, track.id, seen)
        for track in tracks
        for place, frame in enumerate(frames)
        for box, seen in _at(track, frame, step)
    )


def _step(tracks: Sequence[Track]) -> int:
    """The most frequent distance of annotated frames."""
    gaps = Counter(int(gap) for track in tracks for gap in np.diff(track.frame_ids))
    return min(gaps, key=lambda gap: (-gaps[gap], gap)) if gaps else 1


def _at(track: Track, frame: int, step: int) -> Iterator[tuple[Box | None, float]]:
    """Box and share that is seen of an object in a frame; nothing where it is not in the picture."""
    known = track.frame_ids
    if not len(known):
        return
    after = int(np.searchsorted(known, frame))
    before = after - (after == len(known) or known[after] != frame)
    if before >= 0 and after < len(known) and known[after] - known[before] <= _LONGEST_GAP * step:
        if track.is_masked[before] == track.is_masked[after]:
            span = known[after] - known[before]
            part = (frame - known[before]) / span if span else 0.0
            left, top, right, bottom = (1 - part) * track.boxes[before] + part * track.boxes[after]
            seen = 1.0 if track.visible is None else (1 - part) * track.visible[before] + part * track.visible[after]
            yield (float(left), float(top), float(right), float(bottom)), 0.0 if track.is_masked[after] else float(seen)
        else:
            yield None, 0.0
    elif np.abs(known - frame).min() < step:
        yield None, 0.0


def _track(number: int, entry: Any) -> Track:
    where = f"track {number}"
    missing = [name for name in _FIELDS if not isinstance(entry, Mapping) or entry.get(name) is None]
    if missing:
        raise BoxError("bad_form", f"{where} has no {missing[0]}; expected {', '.join(_FIELDS)}")
    frames = _array(entry, "frame_ids", np.int64, where)
    boxes = _array(entry, "bounding_boxes", np.float64, where) if len(frames) else np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise BoxError("bad_form", f"{where}: bounding_boxes of shape {boxes.shape}; expected four numbers a frame")
    times, masked = (_array(entry, name, np.int64, where) for name in ("timestamps", "is_masked"))
    visible = None if entry.get("visible") is None else _array(entry, "visible", np.float64, where)
    lengths = {"bounding_boxes": len(boxes), "timestamps": len(times), "is_masked": len(masked)}
    lengths |= {} if visible is None else {"visible": len(visible)}
    for name, length in lengths.items():
        if length != len(frames):
            raise BoxError("bad_form", f"{where} has {length} {name} for {len(frames)} frame_ids")
    if (np.diff(frames) <= 0).any():
        raise BoxError("bad_form", f"{where}: frame_ids {frames.tolist()} do not rise")
    role = entry.get("role") or ASKED
    if role not in ROLES:
        raise BoxError("bad_form", f"{where}: role {role!r}; expected one of {', '.join(ROLES)}")
    _check_boxes(boxes, where)
    occluder = bool(entry["is_occluder"])
    return Track(
        int(entry["id"]), str(entry["label"]), occluder, boxes, frames, times, masked.astype(np.bool_), visible, role
    )


def _array(entry: Mapping[str, Any], name: str, dtype: Any, where: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(entry[name], dtype=dtype)
    except (TypeError, ValueError) as error:
        raise BoxError("bad_form", f"{where}: {name} cannot be read as numbers ({error})") from error


def _check_boxes(boxes: npt.NDArray[np.float64], where: str) -> None:
    """All in the frame and none turned round."""
    wrong = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    if wrong.any():
        raise BoxError("swapped", f"{where}: {boxes[wrong][0].tolist()} ends before it begins; expected x1, y1, x2, y2")
    flat = (boxes[:, 2:] == boxes[:, :2]).any(axis=1)
    if flat.any():
        raise BoxError("zero_area", f"{where}: {boxes[flat][0].tolist()} has no area")
    outside = ~((boxes >= -_SLACK) & (boxes <= 1.0 + _SLACK)).all(axis=1)
    if outside.any():
        raise BoxError("units", f"{where}: {boxes[outside][0].tolist()}; expected shares of width and height")
