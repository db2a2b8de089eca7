"""The engine locates image tokens for probes that look at them, and gives out no geometry that is not proven."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from lens_engine import Media, Sample, TransformersEngine
from lens_engine.prompts import ProcessorPrompts
from lens_models import LENS_TINY, LensSettings, load_model
from lens_models.encoding import render_chat
from lens_models.image_tokens import ImageTokenLocator, ImageTokens, locate_image_tokens
from lens_models.image_tokens.painting import textured
from lens_models.parts import ModelParts
from lens_models.probes import PROBES, Batch, ProvenLens, Step
from lens_models.probes.protocol import Answered

SIZES = [[(96, 64)], [], [(64, 96), (80, 80)]]


class Looks:
    """Keeps the image tokens that it is given."""

    name: ClassVar[str] = "looks"
    needs_image_tokens: ClassVar[bool] = True
    seen: ClassVar[list[list[ImageTokens]]] = []

    def __init__(self, lens: ProvenLens, batch: Batch) -> None:
        self.seen.append(list(batch.image_tokens))

    def attach(self, parts: ModelParts) -> AbstractContextManager[Any]:
        return nullcontext()

    def on_step(self, step: Step) -> None:
        pass

    def result(self, answered: Answered) -> Any:
        return {}


@pytest.fixture(autouse=True)
def looking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(PROBES, "looks", Looks)
    Looks.seen.clear()
    yield
    Looks.seen.clear()


@pytest.fixture(scope="module")
def loaded() -> Any:
    return load_model(LENS_TINY, device="cpu")


def engine_of(loaded: Any, *probes: str) -> TransformersEngine:
    prompts = ProcessorPrompts(loaded.model, loaded.processor, use_cache=True, warn=logging.warning)
    return TransformersEngine(loaded.model, loaded.processor, prompts, LensSettings(probes=probes))


def samples(loaded: Any) -> list[Sample]:
    made = []
    for number, own in enumerate(SIZES):
        pictures: tuple[Image.Image, ...] = tuple(textured(size, seed=number) for size in own)
        content = [*({"type": "image"} for _ in pictures), {"type": "text", "text": "Is there a red sphere?"}]
        prompt = render_chat(loaded.processor, [{"role": "user", "content": content}])
        made.append(Sample(key=("task", number, 0, 0), prompt=prompt, media=Media(pictures), question="q",
                           kind="generate", generation={"max_new_tokens": 2}))  # fmt: skip
    return made


def test_each_row_gets_its_own(loaded: Any) -> None:
    engine, asked = engine_of(loaded, "looks"), samples(loaded)
    engine.generate(asked)
    (found,) = Looks.seen
    expected = locate_image_tokens(loaded.model, loaded.processor, engine.prompts.encode(asked), SIZES)
    assert [len(each) for each in found] == [len(each) for each in expected]
    assert [set(each.image.tolist()) for each in found] == [{0}, set(), {0, 1}]
    for ours, theirs in zip(found, expected, strict=True):
        assert np.array_equal(ours.positions, theirs.positions)
        assert ours.problem is None


def test_the_answers_are_the_same(loaded: Any) -> None:
    answers = [
        [each.text for each in engine_of(loaded, *probes).generate(samples(loaded))] for probes in ((), ("looks",))
    ]
    assert answers[0] == answers[1]


def test_nothing_is_located_for_probes_that_do_not_look(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Looks, "needs_image_tokens")
    engine = engine_of(loaded, "looks")
    engine.generate(samples(loaded))
    assert "report" not in vars(engine.image_tokens), "the geometry was not even proven"
    assert Looks.seen == [[]]


def test_a_refuted_geometry_is_never_used_and_told_once(
    loaded: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    find = ImageTokenLocator._find_layout

    def mirrored(self: ImageTokenLocator, size: tuple[int, int]) -> Any:
        layout = find(self, size)
        object.__setattr__(layout, "boxes", layout.boxes[::-1].copy())
        return layout

    monkeypatch.setattr(ImageTokenLocator, "_find_layout", mirrored)
    engine = engine_of(loaded, "looks")
    with caplog.at_level(logging.WARNING):
        engine.generate(samples(loaded))
        engine.generate(samples(loaded))
    for found in Looks.seen:
        assert [len(each) for each in found] == [0, 0, 0]
        assert found[1].problem is None
        assert all(str(found[row].problem).startswith("geometry refuted: ") for row in (0, 2))
    told = [record for record in caplog.records if "have no place in the picture" in record.getMessage()]
    assert len(told) == 1


def test_a_fault_of_the_geometry_costs_no_answer(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise RuntimeError("on purpose")

    plain = [each.text for each in engine_of(loaded).generate(samples(loaded))]
    monkeypatch.setattr(ImageTokenLocator, "locate", fail)
    engine = engine_of(loaded, "looks")
    assert [each.text for each in engine.generate(samples(loaded))] == plain
    assert "on purpose" in str(Looks.seen[0][0].problem)
