"""Drops of the answer's log-probability under painted windows, against a run of the model by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from controlled_records import mini_documents, mini_image
from PIL import Image

from lens_engine import load
from lens_engine.answer_drops import answer_logprobs, own_answers, painted_samples, windows_at
from lens_engine.question import Question
from lens_engine.sample import Sample
from lens_engine.selector_prompts import looked_at
from lens_engine.selector_targets import BoxTargets, DropTargets
from lens_models.video import VideoSampling
from lens_tasks.scenes.instructions import DIRECT


@pytest.fixture(scope="module")
def vlm() -> Any:
    return load(device="cpu")


@pytest.fixture(scope="module")
def samples(vlm: Any) -> list[Sample]:
    documents = [each for each in mini_documents("reasoning_mini")[:40:8] if each["language"] == "en"][:3]
    asked = [
        {
            "image": mini_image(each),
            "question": f"{each['question']}\n{DIRECT['en']}",
            "boxes": json.loads(each["lens_boxes"]),
        }
        for each in documents
    ]
    return [
        Question.parse(each, {}).request(("d", n, 0, 0), vlm.processor, None, VideoSampling()).sample()
        for n, each in enumerate(asked)
    ]


def by_hand(vlm: Any, sample: Sample, picture: Image.Image, answer: tuple[int, ...]) -> float:
    """One pass over the prompt and the answer, encoded by the processor itself."""
    inputs = vlm.processor(images=[picture], text=[sample.prompt], return_tensors="pt")
    n, added = inputs["input_ids"].shape[1], torch.tensor([answer])
    inputs["input_ids"] = torch.cat([inputs["input_ids"], added], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    if "mm_token_type_ids" in inputs:
        inputs["mm_token_type_ids"] = torch.nn.functional.pad(inputs["mm_token_type_ids"], (0, len(answer)))
    with torch.no_grad():
        logits = vlm._opened.engine.model(**inputs).logits[0, n - 1 : -1].double()
    return float(torch.log_softmax(logits, -1).gather(1, added[0][:, None]).sum())


def test_answers_are_what_the_model_says_and_their_logprobs_those_of_one_pass(vlm: Any, samples: list[Sample]) -> None:
    engine = vlm._opened.engine
    answers = own_answers(engine, samples, 8)
    for sample, answer in zip(samples, answers, strict=True):
        assert engine.tokenizer.decode(answer) == vlm.ask(sample.media.images[0], sample.question).text
    blank = Image.new("RGB", samples[0].media.images[0].size, "grey")
    shown = [samples[0], samples[0].under((blank,))]
    longer = (*answers[0], *answers[1])
    for batch_size in (1, 2):
        found = answer_logprobs(engine, shown, longer, batch_size)
        expected = [by_hand(vlm, samples[0], each.media.images[0], longer) for each in shown]
        np.testing.assert_allclose(found, expected, atol=1e-3)
    assert found[0] != pytest.approx(found[1], abs=1e-2)


def test_targets_are_the_share_of_the_answers_probability_that_is_lost(vlm: Any, samples: list[Sample]) -> None:
    engine = vlm._opened.engine
    (look,) = looked_at(engine, samples[:1], 6, DropTargets(windows=3))
    assert look is not None
    target = look.shown.target.numpy()
    (places,) = np.nonzero(np.isfinite(target))
    assert len(places) == 3 and len(target) == 16
    picture, (answer,) = samples[0].media.images[0], own_answers(engine, samples[:1], 16)
    plain = by_hand(vlm, samples[0], picture, answer)
    for place in places:
        pixels = np.asarray(picture.convert("RGB")).copy()  # 16 tokens of 16 x 16 pixels
        row, column = divmod(int(place), 4)
        pixels[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = np.rint(pixels.reshape(-1, 3).mean(0))
        lost = 1 - np.exp(min(0.0, by_hand(vlm, samples[0], Image.fromarray(pixels), answer) - plain))
        assert target[place] == pytest.approx(lost, abs=1e-3)
    again, other = (looked_at(engine, samples[:1], 6, each)[0] for each in (DropTargets(windows=3), BoxTargets()))
    assert again is not None and other is not None
    np.testing.assert_array_equal(np.isfinite(again.shown.target.numpy()), np.isfinite(target))
    assert torch.equal(again.shown.tokens, other.shown.tokens)


def test_windows_are_at_least_their_token_and_paint_one_picture(vlm: Any, samples: list[Sample]) -> None:
    tokens = vlm._opened.engine.locate(samples[0])
    np.testing.assert_allclose(windows_at(tokens, [0, 5], 0.1), tokens.boxes[[0, 5]], atol=1e-6)
    np.testing.assert_allclose(windows_at(tokens, [5], 0.5), [[0.125, 0.125, 0.625, 0.625]], atol=1e-3)  # measured
    two = samples[0].under((samples[0].media.images[0], samples[1].media.images[0]))
    (painted,) = painted_samples(two, [1], [np.array([[0.0, 0.0, 1.0, 1.0]])])
    assert np.array_equal(np.asarray(painted.media.images[0]), np.asarray(two.media.images[0]))
    assert len(np.unique(np.asarray(painted.media.images[1]).reshape(-1, 3), axis=0)) == 1


def test_a_prompt_without_a_picture_has_no_targets(vlm: Any) -> None:
    bare = Question.parse({"question": "Why?"}, {}).request(("d", 9, 0, 0), vlm.processor, None, VideoSampling())
    assert looked_at(vlm._opened.engine, [bare.sample()], 6, DropTargets()) == [None]
