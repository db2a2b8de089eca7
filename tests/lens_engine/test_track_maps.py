"""Planted maps of videos against tracks: where it is seen, where it is hidden, other objects, from frame to frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr

from lens_engine.image_maps import Observed, Seen, image_maps
from lens_models.image_tokens import ImageTokens
from lens_models.metrics import METRICS
from lens_tasks.regions import BoxError, PlacedBox

SIDE, FRAMES, LAYERS = 4, 8, 4
CELLS = [(c / SIDE, r / SIDE, (c + 1) / SIDE, (r + 1) / SIDE) for r in range(SIDE) for c in range(SIDE)]
EACH = SIDE * SIDE
MOVES = tuple(range(FRAMES))
"""The cell of the track in each frame."""


def tokens(joined: int = 1) -> ImageTokens:
    spans = np.repeat([(at, at + joined - 1) for at in range(0, FRAMES, joined)], EACH, axis=0)
    numbers = np.arange(len(spans))
    boxes = np.asarray(CELLS * (FRAMES // joined), dtype=np.float32)
    return ImageTokens(numbers, np.zeros_like(numbers), boxes, frames=spans)


def track(cells: Any, *, role: str = "asked", id: int = 1, **seen: float) -> tuple[PlacedBox, ...]:
    """`seen` by frame as f3=0.5; a cell of None is not in the picture, -1 is a place that is not known."""
    return tuple(
        PlacedBox(None if cell < 0 else CELLS[cell], frame, role, "cup", id, seen.get(f"f{frame}", 1.0))
        for frame, cell in enumerate(cells)
        if cell is not None
    )


def compared(heat: Any, boxes: Any, joined: int = 1, **changes: Any) -> Observed:
    layers = np.arange(1, LAYERS + 1, dtype=np.float32)
    maps = np.broadcast_to(np.asarray(heat, np.float32), (LAYERS, len(tokens(joined)))).copy()
    seen = Seen(("t", 0, 0, 0), tokens(joined), [], (), LAYERS, boxes, **changes)
    return image_maps(seen, {"attention": {"layers": layers, "map": maps}})


def at(*places: tuple[int, int, float], floor: float = 0.0) -> np.ndarray:
    """A map `[tokens]` of single frames: (frame, cell, value)."""
    heat = np.full((FRAMES, EACH), floor)
    for frame, cell, value in places:
        heat[frame, cell] = value
    return heat.ravel()


def test_lift_is_over_frames_and_patches() -> None:
    found = compared(at(*((frame, frame, 1.0) for frame in range(4))), track(MOVES))
    assert found.gold_based["box_lift"] == pytest.approx(16)  # all of the mass lies in 8 of 128 tokens
    assert found.gold_based["null_box_lift"] == 0 and found.status["boxes"] == "ok"
    assert found.gold_based["box_auroc"] == pytest.approx((4 * 1 + 4 * 0.5) / 8)
    flat = compared(at(floor=1.0), track(MOVES)).gold_based
    assert flat["box_lift"] == pytest.approx(1) == pytest.approx(flat["null_box_lift"])


def test_frames_in_which_it_is_hidden_stand_apart() -> None:
    boxes = track(MOVES, f2=0, f3=0)
    heat = at((0, 0, 1.0), (1, 15, 1.0), (2, 2, 3.0), (3, 14, 1.0))
    found = compared(heat, boxes).gold_based
    assert found["box_lift"] == pytest.approx(0.5 / (6 / 96))  # of the six other frames
    assert found["hidden_box_lift"] == pytest.approx(0.75 / (2 / 32))
    assert "hidden_box_lift" not in compared(heat, track(MOVES)).gold_based
    joined = compared(np.full(64, 1.0), track(MOVES, f3=0), joined=2).gold_based
    assert joined["box_lift"] == pytest.approx(1)
    assert joined["hidden_box_lift"] is None, "no token stands for hidden frames alone"
    both = compared(heat, (*boxes, *track(MOVES[::-1], id=2))).gold_based
    assert "hidden_box_lift" not in both, "one of the two is seen"


def test_always_hidden_has_no_figure_of_what_is_seen() -> None:
    found = compared(at(floor=1.0), track(MOVES, **{f"f{frame}": 0.0 for frame in range(FRAMES)}))
    assert found.gold_based["box_lift"] is None and found.gold_based["hidden_box_lift"] == pytest.approx(1)
    assert found.status["boxes"].startswith("hidden: no image token stands for frames alone in which all that is asked")
    assert "null_box_lift" not in found.gold_based and found.gold_based["null_hidden_box_lift"] == pytest.approx(1)


def test_frames_whose_place_is_not_known_count_nowhere() -> None:
    cells = (0, 1, -1, 3, 4, 5, 6, 7)
    heat = at((0, 0, 1.0), (2, 9, 50.0), (4, 15, 1.0))
    found = compared(heat, track(cells))
    assert found.gold_based["box_lift"] == pytest.approx(0.5 / (7 / 112))
    assert found.probes["tracks"]["frames"][:, 0].tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert found.probes["tracks"]["frame"].tolist() == [0, 1, 3, 4, 5, 6, 7]
    # of the nulls, neither where the path of that frame has moved to
    assert compared(at(floor=1.0), track(cells)).gold_based["null_box_lift"] == pytest.approx(1)


def test_other_objects_that_lie_elsewhere_are_a_null_of_their_own() -> None:
    heat = at(*((frame, 15 - frame, 1.0) for frame in range(FRAMES)))
    other, on_top = (
        track(tuple(15 - cell for cell in MOVES), role="other", id=2),
        track(MOVES, role="anchor", id=3),
    )
    found = compared(heat, (*track(MOVES), *other, *on_top)).gold_based
    assert found["box_lift"] == 0 and found["other_box_lift"] == pytest.approx(16)
    assert found["other_pointing"] == 1 and found["other_box_auroc"] == 1
    assert "other_box_lift" not in compared(heat, (*track(MOVES), *on_top)).gold_based


def test_mass_and_what_is_seen_from_frame_to_frame() -> None:
    seen = {"f1": 0.5, "f2": 0.0, "f5": 0.8}
    share = np.array([1.0, 0.4, 0.1, 0.9, 1.2, 0.3, 0.7, 0.6])
    heat = at(*((frame, frame, value) for frame, value in enumerate(share)), floor=0.01)
    found = compared(heat, track(MOVES, **seen))
    kept = found.probes["tracks"]
    visible = np.array([1, 0.5, 0, 1, 1, 0.8, 1, 1])
    np.testing.assert_allclose(kept["visible"], visible)
    np.testing.assert_allclose(kept["attention mass"], share / heat.sum(), rtol=1e-6)
    np.testing.assert_allclose(kept["area"], 1 / 128)
    expected = pearsonr(share, visible).statistic
    assert found.gold_based["visibility_correlation"] == pytest.approx(expected)
    nulls = []
    for delay in range(1, FRAMES):
        later = [heat[frame * EACH + (frame - delay) % FRAMES] for frame in range(FRAMES)]
        nulls.append(0.0 if np.ptp(later) == 0 else pearsonr(later, visible).statistic)
    assert found.gold_based["null_visibility_correlation"] is None, "a flat map elsewhere has no correlation"
    assert nulls == [0.0] * 7


def test_the_correlation_of_the_nulls() -> None:
    rng = np.random.default_rng(0)
    heat = rng.random((FRAMES, EACH))
    seen = {f"f{frame}": value for frame, value in enumerate(rng.random(FRAMES))}
    found = compared(heat.ravel(), track(MOVES, **seen)).gold_based
    expected = [
        pearsonr([heat[frame, (frame - delay) % FRAMES] for frame in range(FRAMES)], list(seen.values())).statistic
        for delay in range(1, FRAMES)
    ]
    assert found["null_visibility_correlation"] == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("cells", [(0, 1, None, None, None, None, None, None), MOVES])
def test_too_few_frames_or_no_change_give_no_correlation(cells: Any) -> None:
    rng = np.random.default_rng(0)
    assert compared(rng.random(128), track(cells, f0=1.0)).gold_based["visibility_correlation"] is None


def test_a_label_is_read_among_gold_based_figures_alone() -> None:
    heat = at(*((frame, frame, 1.0) for frame in range(FRAMES)))
    maps = {"map cup": np.broadcast_to(heat, (LAYERS, 128)).astype(np.float32), "layers": np.arange(1.0, LAYERS + 1)}
    seen = Seen(("t", 0, 0, 0), tokens(), [], (), LAYERS, track(MOVES), labels=("cup",))
    found = image_maps(seen, {"image_tokens": maps})
    assert found.gold_based["word_box_lift"] == pytest.approx(16)
    assert found.label_free == {"image_confidence": None}


@pytest.mark.parametrize(
    ("boxes", "status"),
    [
        ((), None),
        (track(MOVES, role="other"), "no_box"),
        (track((0,) * FRAMES), "no_null_box: at all other times it is in the same places"),
        (BoxError("no_frames", "not known"), "no_frames: not known"),
    ],
)
def test_what_cannot_be_compared_says_why(boxes: Any, status: str | None) -> None:
    found = compared(at(floor=1.0), boxes)
    assert found.status.get("boxes") == status
    assert not any(name.startswith("null_") for name in found.gold_based)
    assert ("box_lift" in found.gold_based) == (status is not None and status.startswith("no_null_box"))
    assert "video_tokens" in found.probes and "tokens" not in found.probes


def test_records_keep_the_tracks() -> None:
    found = compared(at(floor=1.0), (*track(MOVES, f2=0.25), *track((9,) * FRAMES, role="other", id=4))).probes
    kept = found["tracks"]
    assert kept["box"].shape == (16, 4) and kept["track"].tolist() == [1] * 8 + [4] * 8
    assert kept["asked"].tolist() == [1] * 8 + [0] * 8 and kept["seen"][2] == 0.25
    assert set(found["boxes"]) == {"attention layers", "attention lift", "attention null lift"}


def test_every_scalar_is_in_the_registry() -> None:
    boxes = (*track(MOVES, f2=0.0), *track((15,) * FRAMES, role="other", id=2))
    heat = np.random.default_rng(0).random(128)
    layers = np.arange(1.0, LAYERS + 1)
    maps = np.broadcast_to(heat, (LAYERS, 128)).astype(np.float32)
    words = {"map cup": maps, "map near cup": maps, "layers": layers}
    seen = Seen(("t", 0, 0, 0), tokens(), [], ("cup",), LAYERS, boxes)
    found = image_maps(seen, {"attention": {"layers": layers, "map": maps}, "image_tokens": words})
    assert all(METRICS[name].namespace == "gold_based" for name in found.gold_based)
    tracked = {name for name in METRICS if "hidden_" in name or name.startswith("other_") or "visibility" in name}
    assert tracked <= set(found.gold_based) and len(tracked) == 21
