"""Which places of its pictures or video a document names, and which words it asks about (docs/boxes.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lens_tasks.documents import nested
from lens_tasks.placed import ASKED, ROLES, Box, BoxError, PlacedBox
from lens_tasks.program_steps import ProgramError, ProgramStep, program_steps
from lens_tasks.tasks import clevr, perceptiontest, pope
from lens_tasks.tracks import Track, placed_tracks, tracks_of

__all__ = ["ASKED", "Box", "BoxError", "PlacedBox", "Regions", "regions_of"]

COLUMN: Final = "lens_boxes"
WORDS: Final = "lens_words"
FORMATS: Final = ("xyxy", "xywh", "yxyx")
UNITS: Final = {"pixels": None, "share": 1.0, "per_mille": 1000.0}
_SLACK = 1.0
"""Pixels by which a box may reach outside its picture: annotations are rounded."""


@dataclass(frozen=True)
class Regions:
    """What a document says of places in its pictures.

    Attributes:
        given: the boxes as the document has them, each a mapping with `box` and perhaps `image`, `role`, `label`, or
            four numbers; None where it says nothing of places.
        words: what the question asks about, word by word, never taken from the right answer.
        form: order of a box's four numbers, one of `FORMATS`.
        units: of the numbers, one of `UNITS`.
        tracks: where the objects of its video are, by frame; None where it says nothing of them.
        steps: of the program that answers it, or why they cannot be read; none where it names none.
    """

    given: Sequence[Any] | None = field(default=None, repr=False)
    words: tuple[str, ...] = ()
    form: str = "xyxy"
    units: str = "pixels"
    tracks: Sequence[Track] | None = field(default=None, repr=False)
    steps: tuple[ProgramStep, ...] | ProgramError = field(default=(), repr=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """Words of the label that all tracks of what is asked about share; none without tracks or with several labels.

        They may name the right answer.
        """
        labels = {track.label for track in self.tracks or () if track.role == ASKED}
        return tuple(_words(labels.pop())) if len(labels) == 1 else ()

    def placed(
        self, sizes: Sequence[tuple[int, int]], frames: Sequence[Sequence[int] | None] = ()
    ) -> tuple[PlacedBox, ...]:
        """The boxes in the pictures, or those of the tracks in the frames of the video.

        Args:
            sizes: width and height of the pictures, in pixels of which boxes are given.
            frames: of each video the numbers, in its source, of the frames that are shown; None where that is not
                known.

        Raises:
            BoxError: one of them cannot be used; then none is, because the rest would pass for all.
        """
        if self.tracks is not None and frames:
            if len(frames) > 1 or sizes:
                shown = f"{len(frames)} videos and {len(sizes)} pictures"
                raise BoxError("no_picture", f"tracks are of one video, and the prompt shows {shown}")
            if frames[0] is None:
                raise BoxError(
                    "no_frames", "which frames of the source are shown is not known, so tracks have no place"
                )
            return placed_tracks(self.tracks, frames[0])
        return tuple(self._placed(number, entry, sizes) for number, entry in enumerate(self.given or ()))

    def _placed(self, number: int, entry: Any, sizes: Sequence[tuple[int, int]]) -> PlacedBox:
        fields = dict(entry) if isinstance(entry, Mapping) else {"box": entry}
        where = f"box {number}"
        numbers = _four_numbers(fields.get("box"), where)
        image, role = fields.get("image") or 0, fields.get("role") or ASKED
        if role not in ROLES:
            raise BoxError("bad_form", f"{where}: role {role!r}; expected one of {', '.join(ROLES)}")
        if not isinstance(image, int) or not 0 <= image < len(sizes):
            raise BoxError("no_picture", f"{where} is of picture {image}; the prompt shows {len(sizes)}")
        width, height = sizes[image]
        left, top, right, bottom = _corners(numbers, self.form)
        if right < left or bottom < top:
            raise BoxError(
                "swapped",
                f"{where}: {numbers} as {self.form} ends before it begins; name its order (lens_boxes.format)",
            )
        if right == left or bottom == top:
            raise BoxError("zero_area", f"{where}: {numbers} has no area")
        whole = UNITS[self.units]
        across, down = (width, height) if whole is None else (whole, whole)
        if whole is None and min(width, height) > _SLACK and max(right, bottom) <= 1:
            raise BoxError(
                "units", f"{where}: {numbers} look like shares of a picture {width}x{height}; set lens_boxes.units"
            )
        outside = max(
            -left / across * width, -top / down * height, (right / across - 1) * width, (bottom / down - 1) * height
        )
        if outside > _SLACK:
            raise BoxError(
                "outside",
                f"{where}: {numbers} in {self.units} reaches {outside:.4g} pixels outside a picture {width}x{height}",
            )
        shares = (left / across, top / down, right / across, bottom / down)
        box: Box = tuple(min(1.0, max(0.0, share)) for share in shares)  # type: ignore[assignment]
        if box[2] <= box[0] or box[3] <= box[1]:
            raise BoxError("outside", f"{where}: {numbers} in {self.units} lies outside a picture {width}x{height}")
        label = fields.get("label")
        return PlacedBox(box, image, role, None if label is None else str(label))


def regions_of(task: str, doc: Any, metadata: Any = None) -> Regions:
    """The boxes and words of a document.

    Args:
        task: the task's name in the harness.
        doc: the document as the harness holds it.
        metadata: the `metadata` of the task's YAML; its `lens_boxes` is the column, or a mapping with `column`,
            `format` and `units`, its `lens_words` the column of words. By default the columns have these names.

    Raises:
        BoxError: the settings, the column or the tracks cannot be read; the text names what was found.
    """
    settings = metadata if isinstance(metadata, Mapping) else {}
    own = settings.get(COLUMN) or {}
    own = {"column": own} if isinstance(own, str) else dict(own)
    if unknown := set(own) - {"column", "format", "units"}:
        raise BoxError("bad_form", f"lens_boxes has {', '.join(sorted(unknown))}; expected column, format, units")
    form, units = own.get("format", "xyxy"), own.get("units", "pixels")
    if form not in FORMATS or units not in UNITS:
        raise BoxError(
            "bad_form",
            f"lens_boxes: format {form!r}, units {units!r}; expected {', '.join(FORMATS)} and {', '.join(UNITS)}",
        )
    words = _words(_column(doc, settings.get(WORDS, WORDS))) or _from_task(task, "asked_words", doc) or ()
    given = _entries(_column(doc, own.get("column", COLUMN)))
    if given is None:
        given, form, units = _from_task(task, "boxes", doc), "xyxy", "pixels"
    tracks = tracks_of(doc)
    if tracks is None:
        tracks = tracks_of({"tracks": _from_task(task, "tracks", doc)})
    steps: tuple[ProgramStep, ...] | ProgramError
    try:
        steps = program_steps(doc)
    except ProgramError as error:  # the boxes are there all the same
        steps = error
    return Regions(given, tuple(words), form, units, tracks, steps)


def _from_task(task: str, function: str, doc: Any) -> Any:
    """What the task's own module says of a document; None where it says nothing."""
    module = next((each for each in (pope, clevr, perceptiontest) if each.TASK_NAME.search(task)), None)
    asked = getattr(module, function, None)
    if asked is None or not isinstance(doc, Mapping):
        return None
    try:
        return asked(doc)
    except Exception:  # a strange document, of which nothing is known then
        return None


def _column(doc: Any, name: Any) -> Any:
    return nested(doc, *str(name).split(".")) if isinstance(doc, Mapping) else None


def _words(value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else value if isinstance(value, Sequence) else []
    return [word for text in texts for word in re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", str(text))]


def _entries(value: Any) -> Sequence[Any] | None:
    """The boxes of a column: a list, its JSON text, or one box alone."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except json.JSONDecodeError as error:
            raise BoxError("bad_form", f"lens_boxes is no JSON ({error}): {value[:100]!r}") from error
    value = value.tolist() if hasattr(value, "tolist") else value
    if value is None:
        return None
    if isinstance(value, Mapping):
        return [value]
    if not isinstance(value, Sequence) or isinstance(value, bytes):
        raise BoxError("bad_form", f"lens_boxes is {type(value).__name__}; expected a list of boxes")
    alone = len(value) == 4 and all(isinstance(each, int | float) for each in value)
    return [value] if alone else list(value)


def _four_numbers(value: Any, where: str) -> tuple[float, ...]:
    value = value.tolist() if hasattr(value, "tolist") else value
    good = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 4
    if not good or any(isinstance(each, bool) or not isinstance(each, int | float) or each != each for each in value):
        raise BoxError("bad_form", f"{where}: {value!r}; expected four numbers")
    return tuple(float(each) for each in value)


def _corners(numbers: tuple[float, ...], form: str) -> Box:
    first, second, third, fourth = numbers
    if form == "xywh":
        return first, second, first + third, second + fourth
    return (second, first, fourth, third) if form == "yxyx" else (first, second, third, fourth)
