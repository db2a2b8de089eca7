"""The Python API on places of a picture: maps, attention, masks, and errors that say what to do."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pytest
from controlled_records import mini_documents, mini_image
from PIL import Image

from lens_engine import NotReadError, VisionLanguageModel, load
from lens_engine.picture_map import PictureMap
from lens_models import LensArgumentError
from lens_tasks.regions import regions_of

matplotlib.use("agg")
DOCUMENT: Any = mini_documents("pope_mini")[0]
QUESTION = "Is there a red sphere in the image?\nAnswer the question using a single word or phrase."
ASKED: dict[str, Any] = {"question": QUESTION, "candidates": ["yes", "no"]}


@pytest.fixture(scope="module")
def vlm() -> VisionLanguageModel:
    return load(device="cpu", probes="image_tokens+attention")


@pytest.fixture(scope="module")
def answer(vlm: VisionLanguageModel) -> Any:
    return vlm.ask(mini_image(DOCUMENT), **ASKED, words=["red", "sphere"])


def box_of_the_sphere() -> tuple[float, ...]:
    (asked,) = [each.box for each in regions_of("pope_mini", DOCUMENT).placed([(64, 64)]) if each.role == "asked"]
    return tuple(64 * each for each in asked)


def test_a_map_has_a_value_for_each_part_of_the_picture(answer: Any) -> None:
    found = answer.heatmap(word="sphere")
    assert found.layer is None and found.grid.shape == (4, 4)
    assert 0 < found.values.max() <= 1
    by_layer = [answer.heatmap(layer, "sphere").values for layer in (1, 10)]
    assert all((each <= found.values + 1e-6).all() for each in by_layer)


def test_several_words_are_read_together(answer: Any) -> None:
    both = answer.heatmap(5, "red sphere").values
    np.testing.assert_array_equal(both, np.minimum(answer.heatmap(5, "red").values, answer.heatmap(5, "sphere").values))


def test_the_answer_is_the_word_without_one(answer: Any) -> None:
    np.testing.assert_array_equal(answer.heatmap().values, answer.heatmap(word=answer.candidate).values)


def test_a_word_that_was_not_asked_with_asks_the_model_again(vlm: VisionLanguageModel, answer: Any) -> None:
    fresh = vlm.ask(mini_image(DOCUMENT), **ASKED, words="cube").heatmap(4, "cube")
    np.testing.assert_allclose(answer.heatmap(4, "cube").values, fresh.values, rtol=1e-4, atol=1e-7)


def test_attention_is_a_share_of_the_context(answer: Any) -> None:
    layers = [answer.attention(layer).values for layer in range(1, 11)]
    assert all(0 < each.sum() <= 1 for each in layers)
    np.testing.assert_array_equal(answer.attention().values, np.max(layers, axis=0))


def test_the_answer_falls_without_the_object_and_stays_without_other_places(answer: Any) -> None:
    assert answer.candidate == "yes"
    found = answer.mask(box_of_the_sphere())
    assert found.drop > 5 > abs(found.random)
    assert found.null is not None


def test_the_picture_is_shown_with_the_map_over_it(answer: Any) -> None:
    axes = answer.heatmap(word="sphere").plot()
    assert len(axes.images) == 1 and len(axes.collections[0].get_paths()) == 16
    assert axes.get_title(loc="left").startswith("'sphere' at the image tokens")


def test_a_picture_in_pieces_has_no_grid() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 0.5, 0.5]], dtype=np.float32)
    whole = PictureMap(np.ones(2, np.float32), boxes, np.zeros(2, np.int64), None, "")
    with pytest.raises(ValueError, match="no single grid"):
        _ = whole.grid


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [
        (lambda answer: answer.heatmap(99, "sphere"), LensArgumentError, "layer=99; expected one of"),
        (lambda answer: answer.attention(0), LensArgumentError, "layer=0; expected one of 1, 2"),
        (lambda answer: answer.mask((10, 10, 10, 20)), NotReadError, "zero_area"),
        (lambda answer: answer.mask((0, 0, 64, 64)), NotReadError, "too_large"),
        (lambda answer: answer.mask((0, 0, 10, 10), image=1), NotReadError, "no_picture"),
    ],
)
def test_errors_say_what_was_found(answer: Any, ask: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        ask(answer)


def test_without_the_probe_the_error_names_it() -> None:
    answer = load(device="cpu").ask(mini_image(DOCUMENT), **ASKED)
    with pytest.raises(NotReadError, match='probes="image_tokens"'):
        answer.heatmap(word="sphere")
    with pytest.raises(NotReadError, match='probes="attention"'):
        answer.attention()
    assert answer.mask(box_of_the_sphere()).drop > 5  # needs no probe


def test_without_a_picture_there_is_no_map(vlm: VisionLanguageModel) -> None:
    answer = vlm.ask(None, "Is snow white?", ["yes", "no"])
    with pytest.raises(NotReadError, match=r"nothing|no picture"):
        answer.heatmap(word="snow")


def test_a_sampled_answer_is_not_asked_again(vlm: VisionLanguageModel) -> None:
    answer = vlm.ask(mini_image(DOCUMENT), **ASKED, temperature=0.7)
    with pytest.raises(NotReadError, match="sampled"):
        answer.mask((0, 0, 20, 20))


@pytest.mark.parametrize("wrong", [{"words": 7}, {"words": []}, {"boxes": 7}, {"boxes": "[1, 2"}])
def test_wrong_words_and_boxes_are_refused(vlm: VisionLanguageModel, wrong: dict[str, Any]) -> None:
    with pytest.raises(LensArgumentError, match=next(iter(wrong))):
        vlm.ask(Image.new("RGB", (64, 64)), **ASKED, **wrong)
