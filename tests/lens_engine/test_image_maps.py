"""Planted maps against boxes, and what of them comes into a record."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lens_engine.image_maps import Observed, Seen, image_maps
from lens_models.image_tokens import ImageTokens
from lens_models.metrics import METRICS
from lens_tasks.regions import BoxError, PlacedBox

SIDE, LAYERS = 8, 4
BOX = (0.25, 0.0, 0.5, 0.25)


def grid() -> ImageTokens:
    edges = np.linspace(0, 1, SIDE + 1)
    boxes = [(edges[c], edges[r], edges[c + 1], edges[r + 1]) for r in range(SIDE) for c in range(SIDE)]
    numbers = np.arange(len(boxes), dtype=np.int64)
    return ImageTokens(numbers, np.zeros_like(numbers), np.asarray(boxes, dtype=np.float32))


TOKENS = grid()
INSIDE = TOKENS.overlap([BOX])


def seen(**changes: Any) -> Seen:
    given: dict[str, Any] = {
        "key": ("pope", 3, 0, 0),
        "tokens": TOKENS,
        "sizes": [(64, 64)],
        "asked": ("red", "cube"),
        "n_layers": LAYERS,
        "boxes": (PlacedBox(BOX), PlacedBox((0.6, 0.6, 0.9, 0.9), role="other")),
    }
    return Seen(**{**given, **changes})


def words(red: Any, cube: Any) -> dict[str, dict[str, Any]]:
    layers = np.arange(1, LAYERS + 1, dtype=np.float32)
    maps = {f"map {word}": np.asarray(value, dtype=np.float32) for word, value in (("red", red), ("cube", cube))}
    return {"image_tokens": {"layers": layers, **maps}}


def attention(maps: Any) -> dict[str, dict[str, Any]]:
    return {"attention": {"layers": np.arange(1, LAYERS + 1, dtype=np.float32), "map": np.asarray(maps, np.float32)}}


def with_sinks(maps: Any, sinks: dict[int, list[int]]) -> dict[str, dict[str, Any]]:
    """Attention with the sinks of some layers."""
    found = np.zeros((LAYERS, SIDE * SIDE), dtype=np.float32)
    for layer, tokens in sinks.items():
        found[layer - 1, tokens] = 1
    return {"attention": {**attention(maps)["attention"], "sinks": found}}


def relative(maps: Any) -> dict[str, dict[str, Any]]:
    return {"relative_attention": attention(maps)["attention"]}


FLAT = np.full((LAYERS, SIDE * SIDE), 0.01)
PEAKED = np.where(INSIDE > 0, 0.5, 0.0) * np.ones((LAYERS, 1))


def test_a_word_that_is_read_in_its_box_alone() -> None:
    found = image_maps(seen(), words(PEAKED, PEAKED))
    assert found.gold_based["word_box_lift"] == pytest.approx(16)
    assert found.gold_based["word_pointing"] == 1 and found.gold_based["word_box_auroc"] == pytest.approx(1)
    assert found.gold_based["null_word_box_lift"] < 4
    assert found.label_free == {"image_confidence": pytest.approx(0.5)}
    assert found.status == {"boxes": "ok"}
    np.testing.assert_allclose(found.probes["boxes"]["image_tokens lift"], [16] * LAYERS)


def test_both_words_must_be_read_at_the_same_place() -> None:
    elsewhere = np.roll(PEAKED, 40, axis=1)
    found = image_maps(seen(), words(PEAKED, elsewhere))
    assert found.label_free["image_confidence"] == 0
    assert found.gold_based["word_box_lift"] is None  # a map without mass says nothing


def test_the_words_may_be_read_in_different_layers() -> None:
    first, last = PEAKED.copy(), PEAKED.copy()
    first[2:], last[:2] = 0, 0
    assert image_maps(seen(), words(first, last)).label_free["image_confidence"] == pytest.approx(0.5)


def test_a_flat_map_equals_its_null() -> None:
    found = image_maps(seen(), attention(FLAT))
    for name in ("box_lift", "null_box_lift"):
        assert found.gold_based[name] == pytest.approx(1)
    assert found.gold_based["pointing"] == pytest.approx(found.gold_based["null_pointing"], abs=0.02)


def test_attention_is_averaged_over_the_middle_layers() -> None:
    maps = FLAT.copy()
    maps[0] = PEAKED[0]  # layers 5/32 to 18/32 of four layers: 1 and 2
    lift = (0.5 * 4 + 0.01 * 4) / (0.5 * 4 + 0.01 * 64) / (4 / 64)
    assert image_maps(seen(), attention(maps)).gold_based["box_lift"] == pytest.approx(lift)
    maps = FLAT.copy()
    maps[3] = PEAKED[0]
    assert image_maps(seen(), attention(maps)).gold_based["box_lift"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"boxes": ()}, None),
        ({"boxes": (PlacedBox(BOX, role="other"),)}, "no_box"),
        ({"boxes": BoxError("swapped", "box 0 ends before it begins")}, "swapped: box 0 ends before it begins"),
        ({"boxes": (PlacedBox((0.3, 0.3, 0.7, 0.7)),)}, "no_null_box: a box fits nowhere else at its distance"),
        ({"tokens": ImageTokens(TOKENS.positions, TOKENS.image, None, "a Q-Former")}, "no_geometry: a Q-Former"),
    ],
)
def test_what_cannot_be_compared_says_why(changes: dict[str, Any], status: str | None) -> None:
    found = image_maps(seen(**changes), words(PEAKED, PEAKED) | attention(FLAT))
    assert found.status.get("boxes", "").startswith(status or "") and ("boxes" in found.status) == (status is not None)
    assert not any(name.startswith("null_") for name in found.gold_based)
    assert ("box_lift" in found.gold_based) == (status is not None and status.startswith("no_null_box"))
    assert found.label_free["image_confidence"] == pytest.approx(0.5)  # needs no box


def test_null_boxes_are_the_same_in_every_run_and_differ_between_samples() -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((LAYERS, SIDE * SIDE))
    boxes = (PlacedBox((0.55, 0.1, 0.8, 0.3)),)
    first, again, other = (
        image_maps(seen(boxes=boxes, key=("pope", doc, 0, 0)), attention(maps)).gold_based["null_box_lift"]
        for doc in (3, 3, 4)
    )
    assert first == again != other


def test_questions_without_known_words_have_no_confidence_but_keep_the_answers_map() -> None:
    found = image_maps(seen(asked=()), words(PEAKED, PEAKED))
    assert found.label_free == {"image_confidence": None}
    assert "map red" in found.probes["image_tokens"] and "word_box_lift" not in found.gold_based


def test_stored_maps_are_in_steps_and_as_many_layers_as_fit() -> None:
    rng = np.random.default_rng(0)
    large = ImageTokens(np.arange(600), np.zeros(600, np.int64), np.tile(TOKENS.boxes, (10, 1))[:600])  # type: ignore[arg-type]
    maps = rng.random((LAYERS, 600)).astype(np.float32) * np.array([[1], [4], [2], [3]], np.float32)
    found = image_maps(seen(tokens=large), attention(maps)).probes["attention"]
    assert found["map layers"].tolist() == [2]
    np.testing.assert_allclose(found["map"], maps[1:2], atol=maps.max() / 510 * 1.01)
    np.testing.assert_allclose(found["map max"], maps.max(axis=0), atol=maps.max() / 510 * 1.01)
    assert len(np.unique(found["map"])) <= 256
    whole = image_maps(seen(tokens=large), attention(maps), whole=True).probes["attention"]
    assert whole["map"].shape == (LAYERS, 600) and "map max" not in whole


def test_other_probes_pass_through() -> None:
    entropy = {"step_entropy": {"entropy": np.ones(3, np.float32)}}
    found = image_maps(seen(), entropy)
    assert found == Observed(probes={"step_entropy": entropy["step_entropy"]})


def test_every_scalar_is_in_the_registry() -> None:
    both = words(PEAKED, PEAKED)
    both["image_tokens"] |= {"map near red": PEAKED, "map near cube": PEAKED}
    found = image_maps(seen(), both | with_sinks(FLAT, {}) | relative(FLAT))
    for namespace in ("label_free", "gold_based"):
        assert all(METRICS[name].namespace == namespace for name in getattr(found, namespace))
    of_tracks = ("other_", "hidden_", "null_hidden_")
    figures = {name for name, metric in METRICS.items() if metric.source == "image" and "box" in name}
    assert {name for name in figures if not name.startswith(of_tracks)} <= set(found.gold_based)


def test_a_sink_outside_the_box_hides_the_object_and_counts_nowhere_without_it() -> None:
    """A flat map but for the box and one sink in the corner, of layer 2 of the middle layers 1 and 2."""
    maps = FLAT + np.where(INSIDE > 0, 0.05, 0.0)
    maps[:2, 63] = 5.0
    found = image_maps(seen(), with_sinks(maps, {2: [63], 4: [0]})).gold_based
    assert found["pointing"] == 0 and found["box_lift"] < 0.7
    assert found["sinkless_pointing"] == 1 and found["sinkless_box_auroc"] == pytest.approx(1)
    inside, others = int((INSIDE > 0).sum()), SIDE * SIDE - 1 - int((INSIDE > 0).sum())
    lift = 0.06 * inside / (0.06 * inside + 0.01 * others) / (inside / (SIDE * SIDE - 1))
    assert found["sinkless_box_lift"] == pytest.approx(lift)
    assert found["null_sinkless_box_lift"] < 0.7 * lift


def test_a_flat_map_stays_flat_without_sinks() -> None:
    """Tokens that are taken out are no part of the picture: set to 0 they would lift every box beside them."""
    found = image_maps(seen(), with_sinks(FLAT, {1: list(range(40, 64)), 2: [9]})).gold_based
    assert found["sinkless_box_lift"] == pytest.approx(1) == pytest.approx(found["null_sinkless_box_lift"])


def test_without_sinks_the_second_figures_are_the_first() -> None:
    maps = np.random.default_rng(0).random((LAYERS, SIDE * SIDE))
    found = image_maps(seen(), with_sinks(maps, {}))
    for name in ("box_lift", "pointing", "box_auroc", "null_box_lift", "null_pointing", "null_box_auroc"):
        null, plain = ("null_", name.removeprefix("null_")) if name.startswith("null_") else ("", name)
        assert found.gold_based[f"{null}sinkless_{plain}"] == found.gold_based[name]
    assert found.probes["attention"]["sink counts"].tolist() == [0] * LAYERS
    assert "sinks" not in found.probes["attention"]


def test_stored_sinks_are_layers_and_tokens() -> None:
    found = image_maps(seen(), with_sinks(FLAT, {2: [3, 63], 4: [0]})).probes["attention"]
    assert found["sinks"].tolist() == [[2, 3], [2, 63], [4, 0]] and found["sink counts"].tolist() == [0, 2, 0, 1]


def test_where_the_boxes_hold_nothing_but_sinks_there_is_no_figure() -> None:
    inside = np.flatnonzero(INSIDE).tolist()
    found = image_maps(seen(), with_sinks(FLAT, {1: inside})).gold_based
    assert found["sinkless_box_lift"] is None and found["box_lift"] == pytest.approx(1)
    everything = image_maps(seen(), with_sinks(FLAT, {1: list(range(SIDE * SIDE))})).gold_based
    assert everything["sinkless_box_lift"] is None and everything["sinkless_pointing"] is None


def test_relative_attention_has_its_own_figures_and_map() -> None:
    found = image_maps(seen(), attention(FLAT) | relative(PEAKED + 0.5))
    assert found.gold_based["relative_box_lift"] == pytest.approx(1.0 * 4 / (1.0 * 4 + 0.5 * 60) / (4 / 64))
    share = np.where(INSIDE > 0, 1.0, 0.5) / (1.0 * 4 + 0.5 * 60)
    assert found.label_free["relative_attention_entropy"] == pytest.approx(float(-(share * np.log(share)).sum()))
    np.testing.assert_allclose(found.probes["relative_attention"]["map"], PEAKED + 0.5, atol=1 / 500)
    assert found.gold_based["box_lift"] == pytest.approx(1)
