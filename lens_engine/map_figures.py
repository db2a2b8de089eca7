"""Maps over image tokens against boxes: figures of their one map, lift of every layer, mass from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import BoxFigures, box_figures, box_lifts

from .places import Place, Places

__all__ = ["Against", "FrameMass", "Maps", "against", "by_frame", "visibility_correlations"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_MEASURES = {"box_lift": "lift", "pointing": "pointing", "box_auroc": "auroc"}
_FEWEST_FRAMES = 3


@dataclass(frozen=True)
class Maps:
    """The maps of one kind of one sample.

    Attributes:
        layers: `[layers]`.
        by_layer: `[layers, tokens]`.
        heat: `[tokens]`: one map for all layers.
        kept: `[layers + 1, tokens]`: the tokens of each of them and of the one map; None for all.
    """

    layers: npt.NDArray[np.int64]
    by_layer: Floats
    heat: Floats
    kept: Bools | None = None


@dataclass(frozen=True)
class Against:
    """One kind of map against the boxes.

    Attributes:
        scalars: of its one map, by the names of docs/metrics.md; NaN for what it has none of.
        lift: `[layers]`: of every layer.
        null_lift: `[layers]`: mean of that of the nulls; None without any.
    """

    scalars: dict[str, float]
    lift: Floats = field(repr=False)
    null_lift: Floats | None = field(default=None, repr=False)


def against(maps: Maps, places: Places, prefix: str, *, tracked: bool) -> Against:
    """Figures of a map against what is asked about and its nulls.

    Args:
        maps: of one kind.
        places: what they are held against.
        prefix: of this kind of map.
        tracked: with those of other objects and of hidden frames.
    """
    own, nulls = ([_figures(maps, each) for each in some] for some in ([places.own], places.nulls))
    found = {f"{prefix}{label}": _value(own, what) for label, what in _MEASURES.items()}
    if nulls:
        found |= {f"null_{prefix}{label}": _value(nulls, what) for label, what in _MEASURES.items()}
    if tracked:
        found |= _further(maps, places, prefix)
    null_lift = _mean([_lifts(maps, each) for each in places.nulls]) if nulls else None
    return Against(found, _lifts(maps, places.own), null_lift)


def _further(maps: Maps, places: Places, prefix: str) -> dict[str, float]:
    """Figures of the one map in the tracks of other objects, and where what is asked about is hidden."""
    others = [_figures(maps, each) for each in places.others]
    found = {f"other_{prefix}{label}": _value(others, what) for label, what in _MEASURES.items()} if others else {}
    if places.hidden is not None:
        found[f"hidden_{prefix}box_lift"] = _value([_figures(maps, places.hidden)], "lift")
        nulls = [_figures(maps, each) for each in places.hidden_nulls]
        found |= {f"null_hidden_{prefix}box_lift": _value(nulls, "lift")} if nulls else {}
    return found


def _figures(maps: Maps, place: Place) -> BoxFigures:
    """Of the one map."""
    return box_figures(maps.heat, place.inside, _kept(maps, place, slice(-1, None)))


def _lifts(maps: Maps, place: Place) -> Floats:
    """`[layers]`: of every layer."""
    return box_lifts(maps.by_layer, place.inside, _kept(maps, place, slice(None, -1)))


def _kept(maps: Maps, place: Place, rows: slice) -> Bools | None:
    if maps.kept is None or place.kept is None:
        return place.kept if maps.kept is None else maps.kept[rows]
    return maps.kept[rows] & place.kept


def _value(figures: Sequence[BoxFigures], what: str) -> float:
    return float(_mean([getattr(each, what) for each in figures])[0])


def _mean(values: Sequence[Floats]) -> Floats:
    """Over places, of the finite ones; NaN where there is none."""
    stacked = np.stack(values)
    known = np.isfinite(stacked)
    total: Floats = np.where(known, stacked, 0.0).sum(axis=0)
    count = known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@dataclass(frozen=True)
class FrameMass:
    """How much of what is asked about the frames of a video show, one row for those that stand in one token together.

    Attributes:
        frames: `[rows, 2]`: the first and the last of them; only where its place is known.
        visible: `[rows]`: mean share of it that is seen.
        area: `[rows]`: its boxes as a share of all image tokens.
        groups: `[tokens]`: the row of each token; -1 for tokens of other frames.
    """

    frames: npt.NDArray[np.int64]
    visible: Floats
    area: Floats
    groups: npt.NDArray[np.int64] = field(repr=False)

    def mass(self, heat: Floats, place: Place) -> Floats:
        """`[rows]`: share of a map `[tokens]` in the boxes of a place in each row; NaN where it has none there."""
        total = float(heat[place.inside.seen].sum())
        found, boxes = self._sum(heat * place.inside.share), self._sum(place.inside.share)
        return np.where((boxes > 0) & (total > 0), found / (total or 1.0), np.nan)

    def _sum(self, values: Floats) -> Floats:
        known = self.groups >= 0
        weights = values[known]
        summed: Floats = np.bincount(self.groups[known], weights, len(self.frames)).astype(np.float64)
        return summed


def by_frame(tokens: ImageTokens, places: Places) -> FrameMass | None:
    """The rows of a video; None for pictures, and where no frame has a box."""
    if tokens.frames is None or not places.visible:
        return None
    groups, of_token = np.unique(tokens.frames, axis=0, return_inverse=True)
    visible = np.array([
        np.mean([places.visible.get(frame, np.nan) for frame in range(first, last + 1)]) for first, last in groups
    ])  # fmt: skip
    kept = np.flatnonzero(np.isfinite(visible))
    if not len(kept):
        return None
    row = np.full(len(groups), -1)
    row[kept] = np.arange(len(kept))
    of_token = row[of_token.reshape(-1)]
    own = places.own.inside
    inside = np.bincount(of_token[of_token >= 0], own.share[of_token >= 0], len(kept))
    return FrameMass(groups[kept], visible[kept], inside / max(1, int(own.seen.sum())), of_token)


def visibility_correlations(maps: Maps, places: Places, frames: FrameMass, prefix: str) -> dict[str, float]:
    """Pearson's correlation over the rows of the mass in the boxes with what is seen, beside that of the nulls.

    A null is the mass in the boxes of another time, with what is seen at this one. NaN where fewer than three rows have
    a mass, or one of the two is the same in all of them.
    """
    label = f"{prefix}visibility_correlation"
    found = {label: _correlation(frames.mass(maps.heat, places.own), frames.visible)}
    nulls = np.array([_correlation(frames.mass(maps.heat, each), frames.visible) for each in places.nulls])
    if len(nulls):
        known = nulls[np.isfinite(nulls)]
        found[f"null_{label}"] = float(known.mean()) if len(known) else float("nan")
    return found


def _correlation(mass: Floats, visible: Floats) -> float:
    known = np.isfinite(mass)
    one, other = (values[known] - values[known].mean() if known.any() else values[known] for values in (mass, visible))
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    tiny = 1e-12 * max(1.0, float(np.abs(mass[known]).max(initial=0.0)))
    if known.sum() < _FEWEST_FRAMES or scale <= tiny:
        return float("nan")
    return float((one * other).sum() / scale)
