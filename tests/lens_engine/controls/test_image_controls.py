"""What becomes of a sample under each control, with a reader that is made up."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from lens_engine.controls import ImageControls, joined_costs
from lens_engine.controls.image_controls import blank_images
from lens_engine.controls.reading import Controlled, ControlReading, ReadAgain
from lens_engine.engine import Replacement
from lens_engine.media import Media
from lens_engine.sample import Documents, Reference, Sample, ShownDocument
from lens_models.video import Video
from lens_tasks import AnswerTarget

BOTH = ("blank", "shuffled")
OTHER = Image.new("RGB", (5, 9), "red")


def request(images: Sequence[Image.Image] = (Image.new("RGB", (4, 6)),), **values: object) -> Sample:
    documents = Documents(2, lambda number: ShownDocument((OTHER,), "other"))
    known = {"media": Media(tuple(images)), "documents": lambda: documents} | values
    return Sample(("task", 0, 0, 0), "?", split="test", **known)  # type: ignore[arg-type]


def reading(replacement: Replacement, status: str = "ok", reason: str | None = None) -> ControlReading:
    images = replacement.images or ()
    values = np.full(3, float(sum(image.size[0] for image in images)), dtype=np.float32)
    return ControlReading({"logprob_pred": values} if status == "ok" else {}, 1.5, 2, status, reason)


def test_blank_images_have_the_size_and_no_content() -> None:
    blank = blank_images([Image.new("L", (3, 7), 255), Image.new("RGBA", (20, 10))])
    assert [(image.mode, image.size) for image in blank] == [("RGB", (3, 7)), ("RGB", (20, 10))]
    assert [image.getcolors() for image in blank] == [[(21, (128, 128, 128))], [(200, (128, 128, 128))]]


def test_each_control_is_read_under_its_images_in_a_fixed_order() -> None:
    seen: list[list[tuple[int, int]]] = []

    def again(replacement: Replacement) -> ControlReading:
        images = replacement.images or ()
        seen.append([image.size for image in images])
        return reading(replacement)

    controls = ImageControls(["shuffled", "blank"])
    found = controls.read(request(), again)
    assert controls.names == BOTH
    assert seen == [[(4, 6)], [(5, 9)]]
    assert found.status == dict.fromkeys(BOTH, "ok")
    assert found.reason == {}
    assert found.source == {"shuffled": 1}
    assert found.scalars == {"visual_gain": 1.5}
    assert [found.arrays[name]["logprob_pred"][0] for name in BOTH] == [4, 5]
    for name in BOTH:
        cost = controls.costs[name]
        assert (cost["samples"], cost["forward_passes"]) == (1, 2)
        assert cost["seconds"] > 0


def test_a_batch_is_read_together_where_it_can_be_and_alone_where_not() -> None:
    alone: list[int] = []

    def asked(*widths: int) -> dict[int, tuple[Sample, ReadAgain]]:
        def again(number: int) -> ReadAgain:
            def read(replacement: Replacement) -> ControlReading:
                alone.append(number)
                return reading(replacement)

            return read

        images = {number: (Image.new("RGB", (width, 6)),) if width else () for number, width in enumerate(widths)}
        return {number: (request(own), again(number)) for number, own in images.items()}

    def all_but_the_second(shown: Mapping[int, Replacement]) -> dict[int, ControlReading]:
        random.random()
        return {number: reading(replacement) for number, replacement in shown.items() if number != 1}

    controls = ImageControls(["blank"])
    state = random.getstate()
    found = controls.read_batch(asked(4, 5, 0, 7), all_but_the_second)
    assert random.getstate() == state
    assert alone == [1]
    assert [found[number].status["blank"] for number in range(4)] == ["ok", "ok", "no_image", "ok"]
    assert [found[number].arrays["blank"]["logprob_pred"][0] for number in (0, 1, 3)] == [4, 5, 7]
    assert controls.costs["blank"]["samples"] == 3

    def too_large(shown: Mapping[int, Replacement]) -> dict[int, ControlReading]:
        raise torch.OutOfMemoryError("too large")

    alone.clear()
    again = controls.read_batch(asked(4, 5), too_large)
    assert alone == [0, 1]
    assert not controls.failures
    assert [again[number].status["blank"] for number in range(2)] == ["ok", "ok"]


def refused(found: Controlled, status: str, words: str, names: Sequence[str] = BOTH) -> None:
    for name in names:
        assert found.status[name] == status
        assert words in found.reason[name]
        assert name not in found.arrays
        assert name not in found.source


def test_no_image_other_media_and_no_other_document_are_told_apart() -> None:
    controls = ImageControls(BOTH)
    refused(controls.read(request(()), reading), "no_image", "the prompt has no image")
    refused(
        controls.read(request(media=Media((OTHER,), videos=(Video(np.zeros((1, 2, 2, 3), np.uint8)),))), reading),
        "not_run",
        "the prompt has video; controls replace",
    )
    alone = controls.read(request(documents=None), reading)
    refused(alone, "no_other_image", "no other document", ["shuffled"])
    assert alone.status["blank"] == "ok"
    same = Documents(2, lambda number: ShownDocument((OTHER,), "same"))
    target = AnswerTarget((), None, cluster="same")
    within = request(documents=lambda: same, make_reference=lambda: Reference(target))
    refused(controls.read(within, reading), "no_other_image", "another cluster", ["shuffled"])


def test_what_fails_under_a_control_is_told_and_counted() -> None:
    def again(replacement: Replacement) -> ControlReading:
        raise torch.OutOfMemoryError("too large")

    controls = ImageControls(BOTH)
    for _ in range(2):
        found = controls.read(request(), again)
        assert found.status == dict.fromkeys(BOTH, "failed")
        assert found.reason == dict.fromkeys(BOTH, "OutOfMemoryError: too large")
        assert found.scalars == {"visual_gain": None}
    assert controls.failures == {(name, "OutOfMemoryError: too large"): 2 for name in BOTH}
    assert controls.costs["blank"]["samples"] == 0


@pytest.mark.parametrize("status", ["non_finite", "identity_failed"])
def test_a_readout_that_is_not_kept_says_why(status: str) -> None:
    found = ImageControls(["blank"]).read(request(), lambda other: reading(other, status, "because"))
    assert found.status == {"blank": status}
    assert found.reason == {"blank": "because"}
    assert found.arrays == {}


def test_an_unread_sample_has_unread_controls() -> None:
    skipped = ImageControls(BOTH).skipped()
    refused(skipped, "not_run", "the sample itself has no readout")
    assert skipped.scalars == {"visual_gain": None}
    assert ImageControls(["shuffled"]).skipped().scalars == {}


def test_controls_draw_no_lots_that_the_run_would_miss() -> None:
    def again(replacement: Replacement) -> ControlReading:
        random.random()
        np.random.random()
        torch.rand(3)
        return reading(replacement)

    def draws() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), float(torch.rand(1))

    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(7)
    expected = draws()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(7)
    ImageControls(BOTH).read(request(), again)
    assert draws() == expected


def test_costs_of_several_processes_are_added() -> None:
    first = {"blank": {"samples": 2, "forward_passes": 3, "seconds": 0.5}}
    second = {"blank": {"samples": 1, "forward_passes": 1, "seconds": 0.25}, "shuffled": {"samples": 4}}
    assert joined_costs([first, {}, second]) == {
        "blank": {"samples": 3, "forward_passes": 4, "seconds": 0.75},
        "shuffled": {"samples": 4},
    }
    assert joined_costs([]) == {}
