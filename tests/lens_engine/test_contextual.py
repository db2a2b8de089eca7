"""The contextual lens on the bundled model: states against an independent run, planted tokens, models without text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from controlled_records import mini_documents, mini_image

from lens_engine import VisionLanguageModel, load
from lens_models import LensSettings, LogitLens, example_inputs
from lens_models.image_tokens.contextual import REFERENCE, TEMPLATES, ContextualBank


@pytest.fixture(scope="module")
def vlm() -> VisionLanguageModel:
    return load(device="cpu", probes="image_tokens")


@pytest.fixture(scope="module")
def bank(vlm: VisionLanguageModel) -> ContextualBank:
    assert vlm.lens.bank is not None
    return vlm.lens.bank


@torch.no_grad()
def independent(vlm: VisionLanguageModel, word: str, layers: tuple[int, ...]) -> torch.Tensor:
    """One text at a time, without padding, from `output_hidden_states`."""
    found = []
    for template in TEMPLATES:
        ids = vlm.processor.tokenizer(template.split("{}")[0] + word, return_tensors="pt").input_ids
        states = vlm.model(input_ids=ids, output_hidden_states=True).hidden_states
        # transformers gives the last layer after the final norm, so that one is left to the other layers
        found.append(torch.stack([states[layer][0, -1] for layer in layers[:-1]]))
    unit = torch.nn.functional.normalize(torch.stack(found), dim=-1).mean(0)
    return torch.nn.functional.normalize(unit, dim=-1)


@pytest.mark.parametrize("word", ["sphere", "dining table", "красный"])
def test_states_are_those_of_the_model_on_the_text_alone(
    vlm: VisionLanguageModel, bank: ContextualBank, word: str
) -> None:
    bank.prepare([word])
    torch.testing.assert_close(bank._states[word][:-1], independent(vlm, word, bank.layers), rtol=1e-3, atol=1e-4)


def test_a_token_in_the_state_of_a_word_has_it_for_its_nearest(bank: ContextualBank) -> None:
    bank.prepare(["red", "sphere"])
    planted = torch.stack([3 * bank._states["red"], 0.5 * bank._states["sphere"]], dim=1)  # [layers, tokens, d]
    found = bank.nearness(planted, ["red", "sphere"])
    assert (found[0, :, 0] == 1).all() and (found[1, :, 1] == 1).all()
    assert found[0, :, 1].max() < 1 and found[1, :, 0].max() < 1


def test_nearness_does_not_depend_on_what_else_was_asked(vlm: VisionLanguageModel, bank: ContextualBank) -> None:
    residual = torch.randn(len(bank.layers), 5, vlm.lens.parts.hidden_size, generator=torch.Generator().manual_seed(0))
    alone = bank.nearness(residual, ["kettle"])
    np.testing.assert_array_equal(alone[0], bank.nearness(residual, ["cube", "kettle", "submarine"])[1])
    assert alone.shape == (1, len(bank.layers), 5) and (alone >= 0).all() and (alone <= 1).all()


def test_a_reference_word_is_not_compared_with_itself(bank: ContextualBank) -> None:
    bank.prepare(REFERENCE)
    own = bank._states["cube"][:, None]
    assert (bank.nearness(own, ["cube"]) == 1).all()


def test_answers_carry_the_map(vlm: VisionLanguageModel) -> None:
    document: Any = mini_documents("pope_mini")[0]
    answer = vlm.ask(mini_image(document), "Is there a red sphere in the image?", ["yes", "no"], words="sphere")
    found = answer.record.probes["image_tokens"]
    assert found["map near sphere"].shape == found["map sphere"].shape
    assert found["map near sphere"].min() >= 0 and found["map near sphere"].max() <= 1


def test_a_model_that_reads_no_text_alone_has_no_bank_and_says_why(
    vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: ContextualBank, words: Any) -> None:
        raise ValueError("pixel_values is None")

    monkeypatch.setattr(ContextualBank, "prepare", refuse)
    inputs = example_inputs(vlm.processor)
    lens = LogitLens(vlm.model, inputs, LensSettings(probes=("image_tokens",)), tokenizer=vlm.processor.tokenizer)
    assert lens.bank is None
    assert lens.refused_probes == {"contextual": "ValueError: pixel_values is None"}
