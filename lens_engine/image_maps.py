"""Maps over image tokens on their way into a record: against the document's boxes, and small."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.reading import LEVELS
from lens_models.image_tokens.sound_tokens import STANDS_FOR_SOUND
from lens_models.probes import Arrays
from lens_models.probes.attention import entropy_of, middle
from lens_results.record import Key
from lens_tasks.regions import ASKED, BoxError, PlacedBox

from .map_figures import Maps, against, by_frame, visibility_correlations
from .places import Places, places_of

__all__ = ["Observed", "Seen", "image_maps", "in_levels"]

Floats = npt.NDArray[np.float64]

OK, NO_BOX = "ok", "no_box"
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
        labels: words of what is asked about by its annotation, where the question has none; they may name the right
            answer, so that what is read of them stands among gold-based figures alone.
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
    labels: Sequence[str] = ()


@dataclass
class Observed:
    """What comes of probes into the record.

    Attributes:
        probes: probe -> quantity -> array; maps in steps of 1 / 255 of their largest value.
        label_free: scalars that neither the boxes nor the right answer had a part in.
        gold_based: scalars that boxes had a part in.
        status: of each probe and of the boxes, "ok" or one word; the reason follows a colon.
        token_texts: id of a token in an array of a probe -> its text.
        heats: probe -> `[image tokens]`, its one map for all layers; not stored.
    """

    probes: dict[str, dict[str, Any]] = field(default_factory=dict)
    label_free: dict[str, float | None] = field(default_factory=dict)
    gold_based: dict[str, float | None] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    token_texts: dict[str, str] = field(default_factory=dict)
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
            found.label_free |= _label_free(name, observed[name], arrays if name != WORDS or seen.asked else None)
            found.probes[name] = _small(observed[name], whole)
    if maps:
        _with_boxes(found, seen, {name: arrays for name, arrays in maps.items() if arrays is not None})
    return found


def _with_boxes(found: Observed, seen: Seen, maps: Mapping[str, Maps]) -> None:
    """Add where tokens and boxes lie, and the figures of the maps against the boxes."""
    tokens = seen.tokens
    if tokens.boxes is None and tokens.problem == STANDS_FOR_SOUND:
        found.probes["sound_tokens"] = {"sound": tokens.image.astype(np.float32)}
    if tokens.boxes is None:
        found.status["boxes"] = f"no_geometry: {tokens.problem}"
        return
    if tokens.frames is None:
        found.probes["tokens"] = {"boxes": tokens.boxes, "image": tokens.image.astype(np.float32)}
    else:
        found.probes["video_tokens"] = _in_time(tokens.boxes, tokens.image, tokens.frames, seen.times)
    if isinstance(seen.boxes, BoxError):
        found.status["boxes"] = f"{seen.boxes.status}: {seen.boxes}"
        return
    if not seen.boxes:
        return
    found.probes["boxes"] = {} if tokens.frames is not None else _stored_boxes(seen.boxes)
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(repr(seen.key).encode()).digest()[:8], "big"))
    places = places_of(seen.boxes, tokens, seen.sizes, rng)
    if places is None:
        found.status["boxes"] = NO_BOX
    else:
        found.status["boxes"] = OK if places.nulls else places.why_none
        for name, each in maps.items():
            _against_boxes(found, name, each, tokens, places)
    if tokens.frames is not None:
        found.probes["tracks"] = _stored_tracks(seen.boxes)
        _from_frame_to_frame(found, tokens, places, maps)
    found.probes = {name: arrays for name, arrays in found.probes.items() if arrays}


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


def _maps_of(name: str, arrays: Arrays, seen: Seen) -> Maps | None:
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
        return Maps(layers, by_layer, by_layer[among].mean(axis=0), kept)
    names = [f"map near {word}" if name == NEAR else f"map {word}" for word in seen.asked or seen.labels]
    asked = [arrays[each].astype(np.float64) for each in names if each in arrays]
    if not asked:
        return None
    together = np.stack(asked)
    return Maps(layers, together.min(axis=0), together.max(axis=1).min(axis=0))


def _label_free(name: str, arrays: Arrays, maps: Maps | None) -> dict[str, float | None]:
    if name == WORDS:
        return {"image_confidence": None if maps is None else float(maps.heat.max())}
    if name == RELATIVE:
        return {} if maps is None else {"relative_attention_entropy": entropy_of(maps.heat)}
    return {each: float(arrays[each].item()) for each in _SCALARS if each in arrays}


def _against_boxes(found: Observed, name: str, maps: Maps, tokens: ImageTokens, places: Places) -> None:
    """Add the figures of one kind of map: scalars of its one map, lift of every layer."""
    compared = against(maps, places, _PREFIX[name], tracked=_tracked(name, tokens))
    arrays = found.probes["boxes"]
    arrays[f"{name} layers"] = maps.layers.astype(np.float32)
    _keep(arrays, f"{name} lift", compared.lift)
    if compared.null_lift is not None:
        _keep(arrays, f"{name} null lift", compared.null_lift)
    found.gold_based |= _known(compared.scalars)


def _from_frame_to_frame(found: Observed, tokens: ImageTokens, places: Places | None, maps: Mapping[str, Maps]) -> None:
    """Add what of each map lies in the track from frame to frame, and how it goes with what is seen there."""
    frames = None if places is None else by_frame(tokens, places)
    if places is None or frames is None:
        return
    arrays = found.probes["tracks"]
    for what in ("frames", "visible", "area"):
        arrays[what] = getattr(frames, what).astype(np.float32)
    for name, each in maps.items():
        if _tracked(name, tokens):
            _keep(arrays, f"{name} mass", frames.mass(each.heat, places.own))
            found.gold_based |= _known(visibility_correlations(each, places, frames, _PREFIX[name]))


def _tracked(name: str, tokens: ImageTokens) -> bool:
    return tokens.frames is not None and name in (ATTENTION, WORDS, NEAR)


def _known(scalars: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if np.isfinite(value) else None for name, value in scalars.items()}


def _keep(arrays: dict[str, Any], name: str, values: Floats) -> None:
    """An array of a record has no NaN: it is there whole or not at all."""
    if np.isfinite(values).all():
        arrays[name] = values.astype(np.float32)


def _stored_boxes(boxes: Sequence[PlacedBox]) -> dict[str, Any]:
    """`box` `[boxes, 4]` in shares, `image` `[boxes]`, `asked` `[boxes]` (1 or 0)."""
    return {
        "box": np.asarray([each.box for each in boxes], dtype=np.float32),
        "image": np.asarray([each.image for each in boxes], dtype=np.float32),
        "asked": np.asarray([each.role == ASKED for each in boxes], dtype=np.float32),
    }


def _stored_tracks(boxes: Sequence[PlacedBox]) -> dict[str, Any]:
    """`box` `[boxes, 4]` in shares, `frame`, `track`, `asked` (1 or 0) and `seen` (share) `[boxes]`, where all of it is
    known."""
    known = [each for each in boxes if each.box is not None and each.track is not None]
    columns: dict[str, list[Any]] = {
        "box": [each.box for each in known],
        "frame": [each.image for each in known],
        "track": [each.track for each in known],
        "asked": [each.role == ASKED for each in known],
        "seen": [each.seen for each in known],
    }
    return {name: np.asarray(values, dtype=np.float32) for name, values in columns.items()} if known else {}


def _small(arrays: Arrays, whole: bool) -> dict[str, Any]:
    """Maps in steps of 1 / 255 of their largest value, with as many of the layers of largest value as fit."""
    found: dict[str, Any] = {}
    for name, values in arrays.items():
        if name == "mass":
            found[name] = in_levels(values)
            continue
        if name == "sinks":
            found |= _pairs(arrays["layers"], values)
            continue
        if not (name == "map" or name.startswith("map ")):
            found[name] = values
            continue
        count = len(values) if whole else max(1, _KEPT_NUMBERS // max(1, values.shape[1]))
        kept = np.sort(np.argsort(-values.max(axis=1), kind="stable")[:count])
        found[name] = in_levels(values[kept])
        found[f"{name} layers"] = arrays["layers"][kept]
        if not whole and len(kept) < len(values):
            found[f"{name} max"] = in_levels(values.max(axis=0))
    return found


def _pairs(layers: npt.NDArray[Any], sinks: npt.NDArray[Any]) -> dict[str, Any]:
    """`sink counts` `[layers]`, and `sinks` `[found, 2]`, layer and image token of each, where there are any."""
    found: dict[str, Any] = {"sink counts": sinks.sum(axis=1).astype(np.float32)}
    rows, tokens = np.nonzero(sinks)
    if len(rows):
        found["sinks"] = np.column_stack([layers[rows], tokens]).astype(np.float32)
    return found


def in_levels(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Values in whole steps: few distinct numbers take little room in a file."""
    largest = float(values.max(initial=0.0))
    if largest <= 0:
        return np.zeros_like(values, dtype=np.float32)
    return (np.rint(values / largest * LEVELS) * (largest / LEVELS)).astype(np.float32)
