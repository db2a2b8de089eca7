"""Boxes and words of documents: what is used, and what is refused by which name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from lens_tasks.regions import BoxError, PlacedBox, regions_of

SIZE = [(640, 480)]


def placed(value: Any, sizes: list[tuple[int, int]] = SIZE, **settings: str) -> tuple[PlacedBox, ...]:
    return regions_of("my_task", {"lens_boxes": value}, {"lens_boxes": settings}).placed(sizes)


@pytest.mark.parametrize(
    ("value", "settings"),
    [
        ([[64, 48, 320, 240]], {}),
        ([64, 48, 320, 240], {}),
        ([64, 48, 256, 192], {"format": "xywh"}),
        ([48, 64, 240, 320], {"format": "yxyx"}),
        ([0.1, 0.1, 0.5, 0.5], {"units": "share"}),
        ([100, 100, 500, 500], {"units": "per_mille"}),
        ([100, 100, 500, 500], {"units": "per_mille", "format": "yxyx"}),
        (json.dumps([{"box": [64, 48, 320, 240]}]), {}),
        ({"box": np.array([64, 48, 320, 240])}, {}),
        (np.array([[64.0, 48.0, 320.0, 240.0]]), {}),
    ],
)
def test_one_box_in_every_form(value: Any, settings: dict[str, str]) -> None:
    (box,) = placed(value, **settings)
    assert box == PlacedBox(pytest.approx((0.1, 0.1, 0.5, 0.5)), 0, "asked", None)


def test_roles_labels_and_pictures_are_kept() -> None:
    given = [{"box": [0, 0, 10, 10], "label": "cat", "role": "other", "image": 1}, {"box": [0, 0, 640, 480]}]
    first, second = placed(given, [(640, 480), (20, 20)])
    assert first == PlacedBox((0.0, 0.0, 0.5, 0.5), 1, "other", "cat")
    assert second.box == (0.0, 0.0, 1.0, 1.0)


def test_a_box_may_reach_out_by_the_rounding_of_an_annotation() -> None:
    (box,) = placed([-0.6, 0, 640.4, 480.9])
    assert box.box == (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("value", "settings", "status", "says"),
    [
        ([320, 48, 64, 240], {}, "swapped", "name its order"),
        ([300, 200, 120, 90], {}, "swapped", "xyxy"),  # left, top, width, height
        ([64, 48, 64, 240], {}, "zero_area", "no area"),
        ([64, 48, 0, 10], {"format": "xywh"}, "zero_area", "no area"),
        ([0.1, 0.1, 0.5, 0.5], {}, "units", "look like shares"),
        ([64, 48, 320, 240], {"units": "share"}, "outside", "in share"),
        ([700, 48, 800, 240], {}, "outside", "640x480"),
        ([600, 48, 700, 240], {}, "outside", "60 pixels outside"),
        ([641, 10, 641.5, 20], {}, "outside", "outside"),
        ([1, 2, 3], {}, "bad_form", "four numbers"),
        ([[1, 2, 3, float("nan")]], {}, "bad_form", "four numbers"),
        ([[1, 2, 3, "4"]], {}, "bad_form", "four numbers"),
        ([{"box": [1, 2, 3, 4], "image": 1}], {}, "no_picture", "picture 1"),
        ([{"box": [1, 2, 3, 4], "role": "main"}], {}, "bad_form", "role 'main'"),
        ("[1, 2", {}, "bad_form", "no JSON"),
        (7, {}, "bad_form", "int"),
    ],
)
def test_a_box_that_cannot_be_used_says_why(value: Any, settings: dict[str, str], status: str, says: str) -> None:
    with pytest.raises(BoxError, match=says) as caught:
        placed(value, **settings)
    assert caught.value.status == status


def test_one_bad_box_spoils_the_documents_others() -> None:
    with pytest.raises(BoxError, match="box 1"):
        placed([[0, 0, 10, 10], [5, 5, 5, 9]])


@pytest.mark.parametrize("doc", [{}, {"lens_boxes": None}, {"lens_boxes": ""}, "no mapping", {"lens_boxes": []}])
def test_documents_without_boxes_have_none(doc: Any) -> None:
    assert regions_of("my_task", doc).placed(SIZE) == ()


def test_boxes_of_no_picture_are_refused() -> None:
    with pytest.raises(BoxError, match="the prompt shows 0"):
        placed([1, 2, 3, 4], [])


@pytest.mark.parametrize("settings", [{"form": "xyxy"}, {"format": "corners"}, {"units": "cm"}])
def test_unknown_settings_are_refused_by_name(settings: dict[str, str]) -> None:
    with pytest.raises(BoxError, match="lens_boxes"):
        placed([1, 2, 3, 4], **settings)


def test_the_columns_are_named_in_the_yaml() -> None:
    doc = {"meta": {"bbox": [64, 48, 256, 192]}, "object": "dining table"}
    metadata = {"lens_boxes": {"column": "meta.bbox", "format": "xywh"}, "lens_words": "object", "version": 1}
    regions = regions_of("my_task", doc, metadata)
    assert regions.placed(SIZE)[0].box == pytest.approx((0.1, 0.1, 0.5, 0.5))
    assert regions.words == ("dining", "table")
    assert regions_of("my_task", {"b": [64, 48, 320, 240]}, {"lens_boxes": "b"}).placed(SIZE)


@pytest.mark.parametrize(
    ("task", "doc", "words"),
    [
        ("pope", {"question": "Is there a dining table in the image?"}, ("dining", "table")),
        ("pope_adv", {"question": "Are there any cats in this picture?"}, ("cats",)),
        ("pope", {"question": "What is it?"}, ()),
        ("other", {"question": "Is there a cat in the image?"}, ()),
        ("clevr", {"question": "What color is the cube?"}, ()),
    ],
)
def test_words_are_read_from_the_question(task: str, doc: dict[str, str], words: tuple[str, ...]) -> None:
    assert regions_of(task, doc).words == words


def test_clevrs_words_are_those_of_the_objects_asked_about() -> None:
    steps = [
        ("scene", [], []), ("filter_color", [0], ["red"]), ("unique", [1], []), ("relate", [2], ["left"]),
        ("filter_size", [3], ["large"]), ("filter_shape", [4], ["cube"]), ("unique", [5], []),
        ("query_material", [6], []),
    ]  # fmt: skip
    program = [{"function": name, "inputs": inputs, "value_inputs": values} for name, inputs, values in steps]
    assert regions_of("clevr", {"question": "?", "program": json.dumps(program)}).words == ("large", "cube")
