"""Which other document's images a document is shown in the shuffled-image control."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from lens_engine.controls.other_images import OtherImagesOf
from lens_engine.sample import Documents, ShownDocument


def picture(number: int, mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def shown(number: int, cluster: str | None = None, images: int = 1) -> ShownDocument:
    return ShownDocument(tuple(picture(10 * number + place) for place in range(images)), cluster)


def split(documents: Sequence[ShownDocument | Exception]) -> Documents:
    def show(number: int) -> ShownDocument:
        found = documents[number]
        if isinstance(found, Exception):
            raise found
        return found

    return Documents(len(documents), show)


@pytest.mark.parametrize("size", [2, 3, 4, 7, 12, 61])
def test_each_document_is_shown_another_ones_images(size: int) -> None:
    documents = [shown(number, f"c{number // 2}") for number in range(size)]
    chooser = OtherImagesOf("task", split(documents))
    for number, own in enumerate(documents):
        other = chooser.choose(number, own.images, own.cluster)
        if size == 2:  # both are of one cluster
            assert other is None
            continue
        assert other is not None
        assert documents[other.doc_id].cluster != own.cluster
        assert other.images == documents[other.doc_id].images


def test_every_possible_document_is_found_wherever_it_stands() -> None:
    for place in range(1, 12):
        documents = [shown(number, "same") for number in range(12)]
        documents[place] = shown(place, "other")
        other = OtherImagesOf("task", split(documents)).choose(0, documents[0].images, "same")
        assert other is not None
        assert other.doc_id == place


def test_the_choice_follows_from_task_and_number_alone() -> None:
    documents = [shown(number) for number in range(30)]

    def choices(task: str, order: Sequence[int]) -> dict[int, int]:
        chooser = OtherImagesOf(task, split(documents))
        found = {number: chooser.choose(number, documents[number].images, None) for number in order}
        return {number: other.doc_id for number, other in sorted(found.items()) if other}

    forwards = choices("task", range(30))
    assert forwards == choices("task", range(29, -1, -1))
    assert choices("task", [7]) == {7: forwards[7]}
    assert choices("another", range(30)) != forwards
    assert len(set(forwards.values())) > 12, "choices are spread over the split"


def test_one_picture_in_two_modes_is_one_picture() -> None:
    own = picture(1, "L")
    documents = split([ShownDocument((own,), None), ShownDocument((own.convert("RGB"),), None)])
    assert OtherImagesOf("task", documents).choose(0, (own,), None) is None


def test_documents_without_an_image_or_that_cannot_be_read_are_not_used() -> None:
    documents = split([shown(0), ShownDocument((), None), ValueError("damaged"), shown(3)])
    for _ in range(2):
        other = OtherImagesOf("task", documents).choose(0, shown(0).images, None)
        assert other is not None
        assert other.doc_id == 3


def test_an_image_in_common_is_one_too_many() -> None:
    both = (picture(1), picture(2))
    documents = split([ShownDocument(both, None), ShownDocument((picture(2), picture(3)), None)])
    assert OtherImagesOf("task", documents).choose(0, both, None) is None


def test_fewer_images_are_given_in_turn_and_more_are_cut() -> None:
    documents = split([shown(0, images=3), shown(1, images=2)])
    chooser = OtherImagesOf("task", documents)
    first, second = shown(1, images=2).images
    other = chooser.choose(0, shown(0, images=3).images, None)
    assert other is not None
    assert other.images == (first, second, first)
    back = chooser.choose(1, (first, second), None)
    assert back is not None
    assert back.images == shown(0, images=3).images[:2]


def test_that_there_is_no_other_document_is_found_out_once() -> None:
    looked: list[int] = []

    def show(number: int) -> ShownDocument:
        looked.append(number)
        return shown(number, "same")

    chooser = OtherImagesOf("task", Documents(5, show))
    for _ in range(3):
        assert chooser.choose(0, shown(0).images, "same") is None
    assert sorted(looked) == [1, 2, 3, 4]
    assert OtherImagesOf("task", Documents(1, show)).choose(0, shown(0).images, None) is None
