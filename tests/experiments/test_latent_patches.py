"""Patches that come again behind prompts that ran once, against the intervention that does it in generation."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import torch
from controlled_records import mini_documents, mini_image

from experiments.inertness import attention_maps
from experiments.latent import Prefilled, answered, chosen_first, prefilled
from lens_engine import load
from lens_engine.opening import reading_engine
from lens_engine.question import Question
from lens_engine.sample import Sample
from lens_models import load_model
from lens_models.video import VideoSampling
from lens_tasks.scenes.instructions import DIRECT

ANSWERS = ("yes", "green", "2")


@pytest.fixture(scope="module")
def engine() -> Any:
    return reading_engine(load_model("lens_tiny", device="cpu"), logging.getLogger(__name__))


@pytest.fixture(scope="module")
def samples(engine: Any) -> list[Sample]:
    documents = [each for each in mini_documents("reasoning_mini") if "asked" in each["lens_boxes"]][:90:30]
    asked = [
        {
            "image": mini_image(each),
            "question": f"{each['question']}\n{DIRECT[each['language']]}",
            "boxes": json.loads(each["lens_boxes"]),
        }
        for each in documents
    ]
    return [
        Question.parse(each, {}).request(("d", n, 0, 0), engine.processor, None, VideoSampling()).sample()
        for n, each in enumerate(asked)
    ]


@pytest.fixture(scope="module")
def answers(engine: Any) -> list[tuple[int, ...]]:
    end = engine.tokenizer.eos_token_id
    return [(*engine.tokenizer(text, add_special_tokens=False)["input_ids"], end) for text in ANSWERS]


@pytest.fixture(scope="module")
def prompts(engine: Any, samples: list[Sample], answers: list[tuple[int, ...]]) -> list[Prefilled]:
    return list(prefilled(engine, samples, answers, 6))


def _slots(prompts: list[Prefilled], way: str) -> torch.Tensor:
    patches = torch.stack([each.patches for each in prompts])
    if way == "plain":
        return patches[:, :0]
    if way == "mean":
        return patches.mean(1, keepdim=True).expand(-1, 2, -1)
    chosen = torch.stack([each.heat for each in prompts]).topk(2).indices.sort().values
    return patches.gather(1, chosen[..., None].expand(-1, -1, patches.shape[-1]))


@pytest.mark.parametrize("way", ["plain", "mean", "attention"])
def test_answers_behind_a_kept_prompt_are_those_of_the_intervention(
    way: str, samples: list[Sample], answers: list[tuple[int, ...]], prompts: list[Prefilled]
) -> None:
    vlm: Any = load(device="cpu", intervene="" if way == "plain" else f"select:1:by={way}:patches=2")
    with torch.no_grad():
        found = answered(vlm._opened.engine.model, prompts, _slots(prompts, way))
    for row, (sample, answer) in enumerate(zip(samples, answers, strict=True)):
        (expected,) = vlm._opened.engine.score(sample, [answer])
        assert float(found.logprob[row]) == pytest.approx(expected.logprob, abs=2e-3)
        assert bool(found.right[row]) == expected.greedy


def test_what_is_kept_of_a_prompt_is_what_others_see_of_it(
    engine: Any, samples: list[Sample], prompts: list[Prefilled]
) -> None:
    for kept, heat in zip(prompts, attention_maps(engine, samples), strict=True):
        torch.testing.assert_close(kept.heat.double(), torch.from_numpy(heat), atol=1e-5, rtol=1e-4)


def test_the_highest_are_chosen_first_with_the_gradient_of_a_softmax() -> None:
    scores = torch.tensor([[0.3, 2.0, -1.0, 1.2]], requires_grad=True)
    chosen = chosen_first(scores, 3, temperature=0.5)
    assert chosen.detach().argmax(-1).tolist() == [[1, 3, 0]]
    torch.testing.assert_close(chosen.detach(), torch.nn.functional.one_hot(torch.tensor([[1, 3, 0]]), 4).float())
    worth = torch.tensor([1.0, -2.0, 0.5, 3.0])
    (own,) = torch.autograd.grad((chosen[0, 1] * worth).sum(), scores)
    left = torch.tensor([0.3, -1.0, 1.2], requires_grad=True)  # the first one is gone
    soft = torch.softmax(left / 0.5, -1)
    (expected,) = torch.autograd.grad((soft * worth[[0, 2, 3]]).sum(), left)
    torch.testing.assert_close(own[0, [0, 2, 3]], expected)
    assert float(own[0, 1]) == 0
