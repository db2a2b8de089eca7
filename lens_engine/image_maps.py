"""Maps over image tokens on their way into a record: against the document's boxes, and small."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import BoxFigures, box_figures, null_boxes
from lens_models.image_tokens.reading import LEVELS
from lens_models.probes import Arrays
from lens_models.probes.attention import entropy_of, middle
from lens_results.record import Key
from lens_tasks.regions import ASKED, Box, BoxError, PlacedBox

__all__ = ["Observed", "Seen", "image_maps"]

Floats = npt.NDArray[np.float64]

OK, NO_BOX, NO_NULL = "ok", "no_box", "no_null_box"
ATTENTION, WORDS, NEAR = "attention", "image_tokens", "near"
SINKLESS, RELATIVE = "attention without sinks", "relative_attention"
_PREFIX = {ATTENTION: "", WORDS: "word_", NEAR: "near_", SINKLESS: "sinkless_", RELATIVE: "relative_"}
_SCALARS = (
    *("svar", "attention_entropy", "image_mass"),
    *("attention_sinks", "sinkless_svar", "sinkless_attention_entropy"),
)
_KEPT_NUMBERS = 1024
"""Numbers of the layers of a map in a record, unless all are wanted: at about a byte each."""


@dataclass(frozen=True)
class Seen:
    """One sample with what probes saw of its pictures.

    Attributes:
        key: of the sample; seeds the draw of null boxes.
        tokens: its image tokens.
        sizes: width and height of its pictures.
        asked: the words that its question asks about.
        n_layers: L of the model.
        boxes: the boxes of its document, or why they cannot be used.
        times: when the frames of each of its videos begin, in seconds; None where that is not known.
    """

    key: Key
    tokens: ImageTokens
    sizes: Sequence[tuple[int, int]]
    asked: Sequence[str]
    n_layers: int
    boxes: Sequence[PlacedBox] | BoxError = ()
    times: Sequence[Sequence[float] | None] = ()


@dataclass
class Observed:
    """What comes of probes into the record.

    Attributes:
        probes: probe -> quantity -> array; maps in steps of 1 / 255 of their largest value.
        label_free: scalars that neither the boxes nor the right answer had a part in.
        gold_based: scalars that boxes had a part in.
        status: of each probe and of the boxes, "ok" or one word; the reason follows a colon.
        heats: probe -> `[image tokens]`, its one map for all layers; not stored.
    """

    probes: dict[str, dict[str, Any]] = field(default_factory=dict)
    label_free: dict[str, float | None] = field(default_factory=dict)
    gold_based: dict[str, float | None] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    heats: dict[str, Floats] = field(default_factory=dict, repr=False)


def image_maps(seen: Seen, observed: Mapping[str, Arrays], *, whole: bool = False) -> Observed:
    """The maps of a sample, their figures against its boxes, and its scalars.

    Args:
        seen: the sample.
        observed: what its probes gave; those that have nothing to do with pictures are passed on as they are.
        whole: keep the map of every layer, not of those alone that fit into about a kilobyte.
    """
    found = Observed({name: dict(arrays) for name, arrays in observed.items()})
    probes = (ATTENTION, WORDS, RELATIVE)
    maps = {name: _maps_of(name, arrays, seen) for name, arrays in observed.items() if name in probes}
    if WORDS in observed:
        maps[NEAR] = _maps_of(NEAR, observed[WORDS], seen)
    if "sinks" in observed.get(ATTENTION, {}):
        maps[SINKLESS] = _maps_of(SINKLESS, observed[ATTENTION], seen)
    for name, arrays in maps.items():
        if arrays is not None:
            found.heats[name] = arrays.heat
        if name in observed:
            found.label_free |= _label_free(name, observed[name], arrays)
            found.probes[name] = _small(observed[name], whole)
    if maps:
        _with_boxes(found, seen, {name: arrays for name, arrays in maps.items() if arrays is not None})
    return found


def _with_boxes(found: Observed, seen: Seen, maps: Mapping[str, _Maps]) -> None:
    """Add where tokens and boxes lie, and the figures of the maps against the boxes."""
    if seen.tokens.boxes is None:
        found.status["boxes"] = f"no_geometry: {seen.tokens.problem}"
        return
    if seen.tokens.frames is not None:
        found.probes["video_tokens"] = _in_time(seen.tokens.boxes, seen.tokens.image, seen.tokens.frames, seen.times)
        return
    found.probes["tokens"] = {"boxes": seen.tokens.boxes, "image": seen.tokens.image.astype(np.float32)}
    if isinstance(seen.boxes, BoxError):
        found.status["boxes"] = f"{seen.boxes.status}: {seen.boxes}"
        return
    if not seen.boxes:
        return
    found.probes["boxes"] = _stored_boxes(seen.boxes)
    asked = _by_picture(each for each in seen.boxes if each.role == ASKED)
    if not asked:
        found.status["boxes"] = NO_BOX
        return
    nulls = _null_sets(seen, asked)
    found.status["boxes"] = OK if nulls else f"{NO_NULL}: a box fits nowhere else at its distance from the centre"
    for name, arrays in maps.items():
        _against_boxes(found, name, arrays, seen, asked, nulls)


def _in_time(
    boxes: npt.NDArray[np.float32],
    video: npt.NDArray[np.int64],
    frames: npt.NDArray[np.int64],
    times: Sequence[Sequence[float] | None],
) -> dict[str, Any]:
    """Where the tokens of videos lie, see docs/video.md; without `times` where those of a video are not known."""
    found: dict[str, Any] = {"boxes": boxes, "video": video.astype(np.float32), "frames": frames.astype(np.float32)}
    if times and all(own is not None for own in times):
        known = [np.asarray(own) for own in times]
        found["times"] = np.stack([known[of][own] for of, own in zip(video, frames, strict=True)]).astype(np.float32)
    return found


@dataclass(frozen=True)
class _Maps:
    """`layers` `[layers]`, `by_layer` `[layers, tokens]`, `heat` `[tokens]`: one map for all layers; `kept`
    `[layers + 1, tokens]`: the tokens of each of them and of the one map, None for all."""

    layers: npt.NDArray[np.int64]
    by_layer: Floats
    heat: Floats
    kept: npt.NDArray[np.bool_] | None = None


def _maps_of(name: str, arrays: Arrays, seen: Seen) -> _Maps | None:
    """Attention: the mean over the middle layers. Words: the largest value over layers, the least over words."""
    if "layers" not in arrays:
        return None
    layers = arrays["layers"].astype(np.int64)
    if name in (ATTENTION, SINKLESS, RELATIVE):
        by_layer, among = arrays["map"].astype(np.float64), middle(layers, seen.n_layers)
        kept = None
        if name == SINKLESS:
            kept = arrays["sinks"] == 0
            kept = np.vstack([kept, kept[among].all(axis=0)])
        return _Maps(layers, by_layer, by_layer[among].mean(axis=0), kept)
    names = [f"map near {word}" if name == NEAR else f"map {word}" for word in seen.asked]
    asked = [arrays[each].astype(np.float64) for each in names if each in arrays]
    if not asked:
        return None
    together = np.stack(asked)
    return _Maps(layers, together.min(axis=0), together.max(axis=1).min(axis=0))


def _label_free(name: str, arrays: Arrays, maps: _Maps | None) -> dict[str, float | None]:
    if name == WORDS:
        return {"image_confidence": None if maps is None else float(maps.heat.max())}
    if name == RELATIVE:
        return {} if maps is None else {"relative_attention_entropy": entropy_of(maps.heat)}
    return {each: float(arrays[each].item()) for each in _SCALARS if each in arrays}


def _against_boxes(
    found: Observed,
    name: str,
    maps: _Maps,
    seen: Seen,
    asked: Mapping[int, Sequence[Box]],
    nulls: Sequence[Mapping[int, Sequence[Box]]],
) -> None:
    """Add the figures of one kind of map: scalars of its one map, lift of every layer."""
    prefix = _PREFIX[name]
    stacked = np.vstack([maps.by_layer, maps.heat])
    own = box_figures(stacked, seen.tokens, asked, maps.kept)
    scalars = {"box_lift": own.lift, "pointing": own.pointing, "box_auroc": own.auroc}
    arrays = found.probes["boxes"]
    arrays[f"{name} layers"] = maps.layers.astype(np.float32)
    _keep(arrays, f"{name} lift", own.lift[:-1])
    if nulls:
        drawn: list[BoxFigures] = [box_figures(stacked, seen.tokens, each, maps.kept) for each in nulls]
        for what in ("lift", "pointing", "auroc"):
            values = np.stack([getattr(each, what) for each in drawn])
            label = {"lift": "box_lift", "pointing": "pointing", "auroc": "box_auroc"}[what]
            scalars[f"null_{label}"] = _mean(values)
            if what == "lift":
                _keep(arrays, f"{name} null lift", _mean(values)[:-1])
    for label, value in scalars.items():
        number = float(value[-1])
        null, plain = ("null_", label.removeprefix("null_")) if label.startswith("null_") else ("", label)
        found.gold_based[f"{null}{prefix}{plain}"] = number if np.isfinite(number) else None


def _mean(values: Floats) -> Floats:
    """Over the first axis, of the finite ones; NaN where there is none."""
    known = np.isfinite(values)
    total: Floats = np.where(known, values, 0.0).sum(axis=0)
    count = known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _keep(arrays: dict[str, Any], name: str, values: Floats) -> None:
    """An array of a record has no NaN: it is there whole or not at all."""
    if np.isfinite(values).all():
        arrays[name] = values.astype(np.float32)


def _by_picture(boxes: Iterable[PlacedBox]) -> dict[int, list[Box]]:
    found: dict[int, list[Box]] = {}
    for each in boxes:
        found.setdefault(each.image, []).append(each.box)
    return found


def _null_sets(seen: Seen, asked: Mapping[int, Sequence[Box]]) -> list[dict[int, list[Box]]]:
    """Null boxes of all pictures together; the same for a sample in every run."""
    seed = int.from_bytes(hashlib.sha256(repr(seen.key).encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    drawn = {image: null_boxes(own, seen.sizes[image], rng) for image, own in asked.items()}
    count = max(map(len, drawn.values()), default=0)
    if not all(drawn.values()):
        return []
    return [{image: sets[number % len(sets)] for image, sets in drawn.items()} for number in range(count)]


def _stored_boxes(boxes: Sequence[PlacedBox]) -> dict[str, Any]:
    """`box` `[boxes, 4]` in shares, `image` `[boxes]`, `asked` `[boxes]` (1 or 0)."""
    return {
        "box": np.asarray([each.box for each in boxes], dtype=np.float32),
        "image": np.asarray([each.image for each in boxes], dtype=np.float32),
        "asked": np.asarray([each.role == ASKED for each in boxes], dtype=np.float32),
    }


def _small(arrays: Arrays, whole: bool) -> dict[str, Any]:
    """Maps in steps of 1 / 255 of their largest value, with as many of the layers of largest value as fit."""
    found: dict[str, Any] = {}
    for name, values in arrays.items():
        if name == "mass":
            found[name] = _steps(values)
            continue
        if name == "sinks":
            found |= _pairs(arrays["layers"], values)
            continue
        if not (name == "map" or name.startswith("map ")):
            found[name] = values
            continue
        count = len(values) if whole else max(1, _KEPT_NUMBERS // max(1, values.shape[1]))
        kept = np.sort(np.argsort(-values.max(axis=1), kind="stable")[:count])
        found[name] = _steps(values[kept])
        found[f"{name} layers"] = arrays["layers"][kept]
        if not whole and len(kept) < len(values):
            found[f"{name} max"] = _steps(values.max(axis=0))
    return found


def _pairs(layers: npt.NDArray[Any], sinks: npt.NDArray[Any]) -> dict[str, Any]:
    """`sink counts` `[layers]`, and `sinks` `[found, 2]`, layer and image token of each, where there are any."""
    found: dict[str, Any] = {"sink counts": sinks.sum(axis=1).astype(np.float32)}
    rows, tokens = np.nonzero(sinks)
    if len(rows):
        found["sinks"] = np.column_stack([layers[rows], tokens]).astype(np.float32)
    return found


def _steps(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Values in whole steps: few distinct numbers take little room in a file."""
    largest = float(values.max(initial=0.0))
    if largest <= 0:
        return np.zeros_like(values, dtype=np.float32)
    return (np.rint(values / largest * LEVELS) * (largest / LEVELS)).astype(np.float32)
