"""The maps of other questions about the same picture, held against this question's boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.curves import ALL
from lens_report.measures.picture.contrasts import (
    ATTENTION,
    LIFT,
    NEAR,
    PREFIX,
    RELATIVE,
    SINKLESS,
    Asked,
    Contrast,
    contrast,
)
from lens_report.measures.picture.places import PICTURE, lifts, shares, shares_by_picture
from lens_report.measures.picture.stored_maps import StoredMaps
from lens_report.measures.task_run import TaskRun

Floats = NDArray[np.float64]

OTHER_QUESTION = "another question's map"
MOST_SHARED = 0.25
"""Share of the other question's boxes that may lie in this one's."""
TOLERANCE = 0.05
"""Relative deviation up to which the lift of a stored map counts as the recorded one; maps are kept in steps."""


@dataclass(frozen=True)
class OtherQuestion:
    """One kind of map.

    Attributes:
        contrast: Lift of the own map in the own boxes against the mean of that of other questions' maps in them.
        n_maps: Samples whose stored map gives the recorded lift.
        left_out: Why samples with a recorded lift take no part -> how many.
    """

    contrast: Contrast | None
    n_maps: int
    left_out: dict[str, int]


@dataclass(frozen=True, eq=False)
class _Seen:
    """One sample: `heat` float [tokens in the picture], `inside` their shares in its boxes, where the boxes lie."""

    heat: Floats
    inside: Floats
    boxes: Floats
    image: Floats


class _Stored:
    """The arrays of all samples of a task that the comparison needs, each None where a sample has none."""

    def __init__(self, task_run: TaskRun) -> None:
        self.maps = StoredMaps(task_run)
        self.tokens, self.image = (task_run.probe("tokens", name) for name in ("boxes", "image"))
        self.box, self.box_image, self.asked = (task_run.probe("boxes", name) for name in ("box", "image", "asked"))

    def heat(self, of: str, row: int) -> Floats | None:
        """The one map for all layers of a sample, [tokens]; None where what was stored does not give it."""
        if of == ATTENTION:
            return self.maps.middle_attention(row)
        found = self.maps.together(row, near=of == NEAR)
        return None if found is None else found.largest

    def seen(self, row: int, heat: Floats) -> _Seen | None:
        """A sample with its map; None where tokens or boxes are missing or do not fit."""
        tokens, image, box, box_image, asked = (
            each[row] for each in (self.tokens, self.image, self.box, self.box_image, self.asked)
        )
        if tokens is None or image is None or box is None or box_image is None or asked is None:
            return None
        if len(tokens) != heat.size:
            return None
        rectangles, numbers = tokens.astype(np.float64), image.astype(np.float64)
        boxes, place = box[asked == 1].astype(np.float64), box_image[asked == 1].astype(np.float64)
        within = shares(rectangles, PICTURE) > 0
        inside = shares_by_picture(rectangles, numbers, boxes, place)
        return _Seen(heat[within], inside[within], boxes, place)


def other_question(task_run: TaskRun, asked: Asked) -> dict[str, OtherQuestion]:
    """All kinds of maps, those with a recorded lift; empty where no two samples share their pictures.

    Only questions with boxes of their own take part, of which at most `MOST_SHARED` lies in this question's boxes.
    """
    pictures = [task_run.frame["image_sha256"].iloc[row] for row in asked.rows]
    together: dict[tuple[str, ...], list[int]] = {}
    for place, digests in enumerate(pictures):
        if digests:
            together.setdefault(digests, []).append(place)
    several = [places for places in together.values() if len(places) > 1]
    if not several or "boxes" not in task_run.run.probes:
        return {}
    stored = _Stored(task_run)
    found = {}
    for of, prefix in PREFIX.items():
        if of in (SINKLESS, RELATIVE):
            continue
        recorded = asked.column(task_run, f"gold_based.{prefix}box_lift")
        if np.isfinite(recorded).any():
            found[of] = _of_maps(of, stored, asked, several, recorded)
    return found


def _of_maps(of: str, stored: _Stored, asked: Asked, several: Sequence[list[int]], recorded: Floats) -> OtherQuestion:
    left_out: dict[str, int] = {}
    seen: dict[int, _Seen] = {}
    for place in np.flatnonzero(np.isfinite(recorded)):
        row = int(asked.rows[place])
        heat = stored.heat(of, row)
        one = None if heat is None else stored.seen(row, heat)
        why = "not all layers of its map were stored" if heat is None else "its image tokens or boxes were not stored"
        if one is not None:
            lift = lifts(one.heat[None], one.inside[:, None])[0, 0]
            agrees = abs(lift - recorded[place]) <= TOLERANCE * max(recorded[place], 1.0)
            why = "" if agrees else "its stored map has another lift"
        if why or one is None:
            left_out[why] = left_out.get(why, 0) + 1
        else:
            seen[int(place)] = one
    own, other = np.full(recorded.size, np.nan), np.full(recorded.size, np.nan)
    for places in several:
        _compare({place: seen[place] for place in places if place in seen}, own, other)
    names = (of, LIFT, OTHER_QUESTION, ALL)
    return OtherQuestion(
        next(contrast(names, own, other, asked.clusters, asked.groups[ALL]), None), len(seen), left_out
    )


def _compare(seen: dict[int, _Seen], own: Floats, other: Floats) -> None:
    """Fill in the lifts of the samples of one picture that have another question to be held against."""
    if len(seen) < 2 or len({one.heat.size for one in seen.values()}) > 1:
        return
    places, ones = list(seen), list(seen.values())
    found = lifts(np.stack([one.heat for one in ones]), np.stack([one.inside for one in ones], axis=1))
    for column, one in enumerate(ones):
        apart = [row for row, each in enumerate(ones) if row != column and _apart(each, one)]
        values = found[apart, column]
        if np.isfinite(values).any():
            own[places[column]] = found[column, column]
            other[places[column]] = values[np.isfinite(values)].mean()


def _apart(one: _Seen, other: _Seen) -> bool:
    """Whether at most `MOST_SHARED` of the first one's boxes lies in those of the other."""
    return len(one.boxes) > 0 and bool(
        (shares_by_picture(one.boxes, one.image, other.boxes, other.image) <= MOST_SHARED).all()
    )
