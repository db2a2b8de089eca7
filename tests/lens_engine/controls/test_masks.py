"""Masks of image tokens: which tokens, against which others, and what becomes of the answer under them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from lens_engine.controls import ControlReading
from lens_engine.controls.causal import CausalMasks, painted_over
from lens_engine.controls.masks import NoMaskError, masks_of
from lens_engine.engine import Replacement
from lens_engine.image_maps import Observed
from lens_engine.media import Media
from lens_engine.sample import Reference, Sample
from lens_models import MaskingError
from lens_models.image_tokens import ImageTokens
from lens_models.video import Video
from lens_results import SampleRecord
from lens_tasks.regions import BoxError, PlacedBox, Regions
from lens_tasks.tracks import tracks_of

SIDE = 8
KEY = ("pope", 3, 0, 0)
BOX = (0.25, 0.0, 0.5, 0.25)  # tokens 2, 3, 10, 11 of 8 x 8
IN_BOX = (2, 3, 10, 11)


def grid() -> ImageTokens:
    edges = np.linspace(0, 1, SIDE + 1)
    boxes = [(edges[c], edges[r], edges[c + 1], edges[r + 1]) for r in range(SIDE) for c in range(SIDE)]
    numbers = np.arange(len(boxes), dtype=np.int64)
    return ImageTokens(numbers, np.zeros_like(numbers), np.asarray(boxes, dtype=np.float32))


TOKENS = grid()
ASKED = (PlacedBox(BOX),)


def masks(name: str, boxes: Any = ASKED, tokens: ImageTokens = TOKENS, **heats: Any) -> Any:
    return masks_of(name, KEY, tokens, [(64, 64)], boxes, heats)


def test_the_tokens_of_a_box_and_as_many_others() -> None:
    found = masks("boxes")
    assert found.own == IN_BOX
    assert len(found.random) == len(found.null) == 3
    for other in (*found.random, *found.null):
        assert len(set(other)) == len(IN_BOX)
    assert all(not set(other) & set(IN_BOX) for other in found.random)
    assert all(len(set(other) & set(IN_BOX)) <= 1 for other in found.null)
    assert found == masks("boxes")  # the same in every run
    assert found.random != masks_of("boxes", ("pope", 4, 0, 0), TOKENS, [(64, 64)], (PlacedBox(BOX),), {}).random


def test_a_box_smaller_than_any_token_is_the_token_it_lies_in() -> None:
    assert masks("boxes", (PlacedBox((0.26, 0.26, 0.3, 0.3)),)).own == (18,)


def test_a_map_is_masked_where_it_is_largest_with_as_many_tokens_as_the_boxes_have() -> None:
    heat = np.arange(64, dtype=float)
    assert masks("top_attention", attention=heat).own == (60, 61, 62, 63)
    assert masks("top_lens", image_tokens=-heat).own == (0, 1, 2, 3)
    assert masks("top_attention", attention=heat).null == ()
    assert len(masks("top_attention", (), attention=heat).own) == 6  # a tenth of 64


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        ({"name": "boxes", "boxes": ()}, "no_box", "no box of what"),
        ({"name": "boxes", "boxes": (PlacedBox(BOX, role="other"),)}, "no_box", "no box of what"),
        ({"name": "boxes", "boxes": BoxError("swapped", "box 0")}, "swapped", "box 0"),
        ({"name": "boxes", "tokens": ImageTokens.none("cross-attention")}, "no_image", "cross-attention"),
        ({"name": "boxes", "tokens": ImageTokens(TOKENS.positions, TOKENS.image, None, "Q")}, "no_geometry", "Q"),
        ({"name": "boxes", "boxes": (PlacedBox((0, 0, 1, 0.75)),)}, "too_large", "48 of 64"),
        ({"name": "top_attention"}, "no_map", "lens_probes"),
    ],
)
def test_what_cannot_be_masked_says_why(given: dict[str, Any], status: str, says: str) -> None:
    with pytest.raises(NoMaskError) as caught:
        masks(**given)
    assert caught.value.args[0] == status and says in caught.value.args[1]


def sample(**changes: Any) -> Sample:
    regions = Regions([{"box": [16, 0, 32, 16]}])
    given = {
        "media": Media((Image.new("RGB", (64, 64), (9, 9, 9)),)),
        "make_reference": lambda: Reference(regions=regions),
    }
    return Sample(KEY, "prompt", **{**given, **changes})


def record(**changes: Any) -> SampleRecord:
    return SampleRecord(task="pope", doc_id=3, kind="generate", **changes)


def drop_of_the_box(replacement: Replacement) -> ControlReading:
    """As a model whose answer depends on token 2 alone."""
    return ControlReading({}, 5.0 if 2 in replacement.masked else 0.0, 1)


def test_a_model_that_looks_at_the_box_loses_its_answer_there_and_nowhere_else() -> None:
    controls = CausalMasks(["boxes", "top_attention"])
    observed = Observed(heats={"attention": np.arange(64, dtype=float)})
    found = controls.read(record(), sample(), observed, lambda: TOKENS, drop_of_the_box)
    assert found.gold_based["causal_drop"] == 5 and found.gold_based["causal_drop_random"] == 0
    assert found.gold_based["causal_drop_null"] in (0, pytest.approx(5 / 3))  # a null box may hold a quarter of it
    assert found.label_free == {"attention_drop": 0, "attention_drop_random": found.label_free["attention_drop_random"]}
    assert found.probe_status == {"causal boxes": "ok", "causal top_attention": "ok"}
    assert controls.costs["causal boxes"]["forward_passes"] == 7
    assert controls.costs["causal top_attention"]["forward_passes"] == 4


@pytest.mark.parametrize(
    ("again", "status"),
    [
        (lambda _: ControlReading({}, None, 1), "ok: there are no candidates, or the answer names none"),
        (lambda _: ControlReading({}, None, 1, "non_finite", "NaN"), "non_finite: NaN"),
    ],
)
def test_a_reading_that_is_none_says_why(again: Any, status: str) -> None:
    found = CausalMasks(["boxes"]).read(record(), sample(), Observed(), lambda: TOKENS, again)
    assert found.probe_status["causal boxes"] == status.replace("ok:", "no_candidates:")
    assert not found.gold_based


def test_a_model_that_cannot_be_masked_costs_no_record() -> None:
    def again(replacement: Replacement) -> ControlReading:
        raise MaskingError("DeepStack")

    controls = CausalMasks(["boxes"])
    found = controls.read(record(), sample(), Observed(), lambda: TOKENS, again)
    assert found.probe_status == {"causal boxes": "failed: MaskingError: DeepStack"}
    assert controls.failures == {("boxes", "MaskingError: DeepStack"): 1}


def test_samples_that_were_not_read_or_are_padding_are_left_alone() -> None:
    unread = record(status="no_answer", status_reason="none")
    for one, asked in ((unread, sample()), (record(), sample(padding=True))):
        assert CausalMasks(["boxes"]).read(one, asked, Observed(), lambda: TOKENS, drop_of_the_box) is one


def test_pixels_are_painted_in_the_mean_colour_where_the_tokens_lie() -> None:
    seen: list[Any] = []

    def again(replacement: Replacement) -> ControlReading:
        seen.append(replacement)
        return ControlReading({}, 0.0, 1)

    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels[:, 32:] = 200
    asked = sample(media=Media((Image.fromarray(pixels),)))
    CausalMasks(["boxes"], "pixels").read(record(), asked, Observed(), lambda: TOKENS, again)
    own = np.asarray(seen[0].images[0])
    assert seen[0].masked == ()
    assert (own[:16, 16:32] == 100).all()
    own = own.copy()
    own[:16, 16:32] = 0
    assert (own == pixels).all()


def test_places_outside_the_picture_paint_nothing() -> None:
    image = Image.new("RGB", (10, 10), (1, 2, 3))
    assert painted_over(image, [(-0.5, -0.5, 0.0, 0.0), (1.0, 0.0, 1.5, 1.0)]).tobytes() == image.tobytes()


def video_tokens() -> ImageTokens:
    """A grid of 8 x 8 for each pair of eight frames."""
    spans = np.repeat([(at, at + 1) for at in range(0, 8, 2)], SIDE * SIDE, axis=0)
    assert TOKENS.boxes is not None
    numbers = np.arange(len(spans))
    return ImageTokens(numbers, np.zeros_like(numbers), np.tile(TOKENS.boxes, (4, 1)), frames=spans)


def track() -> tuple[PlacedBox, ...]:
    """Two tokens of each pair of frames, others in each; hidden in the last pair."""
    width = 1 / SIDE
    return tuple(
        PlacedBox((0, row * width, 2 * width, (row + 1) * width), frame, track=1, seen=float(frame < 6))
        for frame in range(8)
        for row in [2 * (frame // 2)]
    )


def test_the_tokens_of_a_track_and_of_its_path_at_another_time() -> None:
    found = masks("boxes", track(), video_tokens())
    assert found.own == (0, 1, 64 + 16, 64 + 17, 128 + 32, 128 + 33)  # where it is seen
    assert len(found.random) == len(found.null) == 3
    assert all(len(each) == 6 and not set(each) & set(found.own) for each in found.random)
    assert all(len(each) == 6 and len(set(each) & set(found.own)) <= 1 for each in found.null)
    assert found.other == ()
    lamp = tuple(PlacedBox((0.5, 0.5, 1, 0.75), frame, "other", track=2, seen=float(frame < 4)) for frame in range(8))
    further = masks("boxes", (*track(), *lamp), video_tokens()).other
    in_lamp = {64 * pair + 8 * row + column for pair in (0, 1) for row in (4, 5) for column in range(4, 8)}
    assert len(further) == 3 and all(len(each) == 6 and set(each) <= in_lamp for each in further)
    resting = tuple(PlacedBox((0, 0, 0.25, 0.125), frame, track=1) for frame in range(8))
    assert masks("boxes", resting, video_tokens()).null == ()
    assert masks("top_attention", track(), video_tokens(), attention=np.arange(256.0)).own == tuple(range(250, 256))


def test_an_object_smaller_than_a_token_is_one_token_of_each_group_of_frames() -> None:
    small = tuple(PlacedBox((0.01, 0.01, 0.05, 0.05), frame, track=1) for frame in range(6))
    assert masks("boxes", small, video_tokens()).own == (0, 64, 128)


def test_frames_are_painted_where_the_tokens_lie() -> None:
    seen: list[Any] = []

    def again(replacement: Replacement) -> ControlReading:
        seen.append(replacement)
        return ControlReading({}, 0.0, 1)

    pixels = np.zeros((8, 64, 64, 3), dtype=np.uint8)
    pixels[:, :, 32:] = 200
    video = Video(pixels, indices=tuple(range(8)))
    given = {"id": 1, "label": "cup", "is_occluder": 0, "frame_ids": [0, 1], "timestamps": [0, 1], "is_masked": [0, 0]}
    regions = Regions(tracks=tracks_of({"tracks": [{**given, "bounding_boxes": [[0, 0, 0.25, 0.125]] * 2}]}))
    asked = sample(media=Media(videos=(video,)), make_reference=lambda: Reference(regions=regions))
    found = CausalMasks(["boxes"], "pixels").read(record(), asked, Observed(), video_tokens, again)
    assert found.probe_status == {"causal boxes": "ok"}
    own = seen[0].videos[0].frames
    assert seen[0].masked == () and seen[0].images is None
    assert (own[:2, :8, :16] == 100).all()
    expected = pixels.copy()
    expected[:2, :8, :16] = 100
    np.testing.assert_array_equal(own, expected)
    assert (video.frames[0, :8, :16] == 0).all()
