"""The maps of other questions about the same picture, held against this question's boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.candidates import indices
from lens_report.measures.curves import ALL
from lens_report.measures.picture.contrasts import ATTENTION, LIFT, WORDS, Asked, Contrast, contrast
from lens_report.measures.picture.layers import PROBES
from lens_report.measures.picture.places import PICTURE, lifts, shares, shares_by_picture
from lens_report.measures.task_run import TaskRun

Floats = NDArray[np.float64]

OTHER_QUESTION = "another question's map"
MOST_SHARED = 0.25
"""Share of the other question's boxes that may lie in this one's."""
TOLERANCE = 0.05
"""Relative deviation up to which the lift of a stored map counts as the recorded one; maps are kept in steps."""
_MIDDLE = (5 / 32, 18 / 32)
"""Relative depths over which the attention map is the mean (docs/metrics.md)."""
MAP, LARGEST = "map ", " max"


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


@dataclass
class _Stored:
    """The arrays of all samples of a task that the comparison needs, each None where a sample has none."""

    task_run: TaskRun
    tokens: list[Any] = field(init=False)
    image: list[Any] = field(init=False)
    box: list[Any] = field(init=False)
    box_image: list[Any] = field(init=False)
    asked: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.tokens, self.image = (self.task_run.probe("tokens", name) for name in ("boxes", "image"))
        self.box, self.box_image, self.asked = (
            self.task_run.probe("boxes", name) for name in ("box", "image", "asked")
        )

    def seen(self, row: int, heat: Floats) -> _Seen | None:
        """A sample with its map; None where tokens or boxes are missing or do not fit."""
        tokens, image = (
            None if each is None else each.astype(np.float64) for each in (self.tokens[row], self.image[row])
        )
        if tokens is None or image is None or self.box[row] is None or len(tokens) != heat.size:
            return None
        chosen = self.asked[row] == 1
        boxes, place = (each[row][chosen].astype(np.float64) for each in (self.box, self.box_image))
        within = shares(tokens, PICTURE) > 0
        inside = shares_by_picture(tokens, image, boxes, place)
        return _Seen(heat[within], inside[within], boxes, place)


def other_question(task_run: TaskRun, asked: Asked) -> dict[str, OtherQuestion]:
    """Both kinds of maps, those with a recorded lift; empty where no two samples share their pictures.

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
    for of, column in ((ATTENTION, "gold_based.box_lift"), (WORDS, "gold_based.word_box_lift")):
        recorded = asked.column(task_run, column)
        if np.isfinite(recorded).any():
            heats = _attention(task_run) if of == ATTENTION else _words(task_run)
            found[of] = _of_maps(of, stored, asked, several, recorded, heats)
    return found


def _of_maps(
    of: str, stored: _Stored, asked: Asked, several: Sequence[list[int]], recorded: Floats, heats: list[Floats | None]
) -> OtherQuestion:
    left_out: dict[str, int] = {}
    seen: dict[int, _Seen] = {}
    for place in np.flatnonzero(np.isfinite(recorded)):
        row = int(asked.rows[place])
        heat = heats[row]
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


def _words(task_run: TaskRun) -> list[Floats | None]:
    """The words' map of each sample: the least over the words asked about of the largest value over layers.

    The words asked about are those with a map that are neither the answer given nor the right one.
    """
    n = len(task_run.frame)
    largest: list[list[Floats]] = [[] for _ in range(n)]
    frame = task_run.frame
    named = [
        {candidates[place] for place in places if place >= 0}
        for candidates, places in zip(
            frame["candidates"],
            zip(*(indices(task_run, f"{name}_candidate") for name in ("pred", "gold")), strict=True),
            strict=True,
        )
    ]
    for word in map_names(task_run.run.probes.get(PROBES[WORDS], ())):
        for row, values in enumerate(_largest(task_run, PROBES[WORDS], word)):
            if values is not None and word.removeprefix(MAP) not in named[row]:
                largest[row].append(values)
    return [np.stack(maps).min(axis=0) if maps else None for maps in largest]


def map_names(quantities: Sequence[str]) -> Iterator[str]:
    """The maps among the quantities of a probe: `map` or `map WORD`, without those beside them."""
    for name in quantities:
        if f"{name} layers" in quantities and (name == "map" or name.startswith(MAP)):
            yield name


def _largest(task_run: TaskRun, probe: str, name: str) -> Iterator[Floats | None]:
    """Largest value over all layers, [tokens] of each sample."""
    kept, whole = task_run.probe(probe, name), task_run.probe(probe, name + LARGEST)
    for own, over_all in zip(kept, whole, strict=True):
        values = own if over_all is None else over_all
        yield None if values is None else np.atleast_2d(values).max(axis=0).astype(np.float64)


def _attention(task_run: TaskRun) -> list[Floats | None]:
    """The attention map of each sample, the mean over the middle layers; None where not all of these were stored."""
    probe = PROBES[ATTENTION]
    low, high = (share * task_run.n_layers for share in _MIDDLE)
    found: list[Floats | None] = []
    for layers, values, kept in zip(
        *(task_run.probe(probe, name) for name in ("layers", "map", "map layers")), strict=True
    ):
        if layers is None or values is None or kept is None:
            found.append(None)
            continue
        middle = layers[(layers >= low) & (layers <= high)]
        wanted = middle if middle.size else layers
        rows = np.isin(kept, wanted)
        found.append(values[rows].astype(np.float64).mean(axis=0) if rows.sum() == wanted.size else None)
    return found
