"""Attention sinks: planted massive activations against `output_hidden_states` and `output_attentions` of the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from zoo import IMAGE, ZOO, Specimen, layer_list

from lens_models import LensSettings, LogitLens
from lens_models.attention.sinks import massive_dimensions, outlying_dimensions
from lens_models.image_tokens import ImageTokens
from lens_models.probes import Answered, statuses_of
from lens_models.probes.attention import figures

WIDTH, LENGTHS, LAYERS = 512, (3, 6), 4
GREEDY: dict[str, Any] = {"max_new_tokens": 2, "do_sample": False}
SINK_DIMENSIONS = (17, 300)
OTHER_DIMENSION = 41
FIGURES = ("attention_sinks", "sinkless_svar", "sinkless_attention_entropy")


def widened(specimen: Specimen) -> Specimen:
    """The same architecture with states wide enough for a massive activation."""
    wide = {"hidden_size": WIDTH, "num_attention_heads": WIDTH // 8, "num_key_value_heads": WIDTH // 16}
    config: dict[str, Any] = {**specimen.config, "text_config": {**specimen.config["text_config"], **wide}}
    vision = dict(config["vision_config"])
    if specimen.model_type == "qwen2_vl":
        vision["hidden_size"] = WIDTH
    if "out_hidden_size" in vision:
        vision["out_hidden_size"] = WIDTH
    return replace(specimen, config={**config, "vision_config": vision})


@cache
def model_of(model_type: str) -> Any:
    return widened(ZOO[model_type]).build()


def image_tokens(inputs: Any) -> list[ImageTokens]:
    positions = [(row == IMAGE).nonzero().flatten().numpy() for row in inputs["input_ids"]]
    return [ImageTokens(each, np.zeros_like(each)) for each in positions]


@contextmanager
def planted(model: Any, model_type: str, inputs: Any, places: list[list[int]], *, first: bool = True) -> Iterator[None]:
    """Block 1 gives massive activations to the first token of each row and to some of its image tokens.

    The second image token of each row also gets one in a dimension in which the first token has none.
    """
    starts = inputs["attention_mask"].long().argmax(-1)

    def plant(module: Any, args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        if hidden.shape[1] > 1:
            beams = len(hidden) // len(places)
            for at in range(len(hidden)):
                row = at // beams
                if first:
                    hidden[at, starts[row], list(SINK_DIMENSIONS)] = torch.tensor([3e5, -2e5])
                positions = image_tokens(inputs)[row].positions
                hidden[at, positions[places[row]], SINK_DIMENSIONS[0]] = -8e4
                hidden[at, positions[1], OTHER_DIMENSION] = 8e4
        return output

    handle = layer_list(model, ZOO[model_type].layers_path)[0].register_forward_hook(plant)
    try:
        yield
    finally:
        handle.remove()


PLACES = [[0, 3], [2]]


@pytest.mark.parametrize("model_type", ["llava", "qwen2_vl", "qwen3_vl"])
@torch.no_grad()
def test_sinks_and_the_map_without_them_are_those_of_the_models_own_states(model_type: str) -> None:
    """By the criterion written out in fp64 on `output_hidden_states`, and by eager `output_attentions`."""
    model, inputs = model_of(model_type), ZOO[model_type].inputs(LENGTHS)
    with planted(model, model_type, inputs, PLACES):
        lens = LogitLens(model, inputs, LensSettings(probes=("attention",)))
        traced = lens.generate(inputs, image_tokens=image_tokens(inputs), **GREEDY)
        settings = {**GREEDY, "return_dict_in_generate": True}
        own = model.generate(**inputs, **settings, output_hidden_states=True, output_attentions=True)
    assert torch.equal(own.sequences, traced.sequences)
    for row, tokens in enumerate(image_tokens(inputs)):
        entering = torch.stack([states[row] for states in own.hidden_states[0][:LAYERS]]).double().numpy()
        start = int(inputs["attention_mask"][row].argmax())
        ratio = np.abs(entering) / np.sqrt((entering**2).mean(-1, keepdims=True))
        sinks = (ratio[:, tokens.positions][..., list(SINK_DIMENSIONS)] >= 20).any(-1)
        assert sinks[1:].sum(0).nonzero()[0].tolist() == PLACES[row] and not sinks[0].any()
        assert start == LENGTHS[1] - LENGTHS[row]
        answered = Answered(row, [row] * 2, 0)
        found = traced.probes[0].result(answered)
        assert statuses_of(traced.probes[0], answered) == {"attention sinks": "ok"}
        np.testing.assert_array_equal(found["sinks"], sinks)
        weights = torch.stack([each[row, :, -1] for each in own.attentions[0]]).mean(1)[:, tokens.positions].numpy()
        chosen, left = slice(0, 2), ~sinks[:2].any(0)  # layers 5 to 18 of 32 are 1 and 2 of 4
        assert found["attention_sinks"].item() == len(PLACES[row])
        expected = np.where(sinks, 0, weights)[chosen].sum()
        assert found["sinkless_svar"] == pytest.approx(expected, abs=1e-4)
        assert found["sinkless_attention_entropy"] == pytest.approx(entropy(weights[chosen].sum(0)[left]), abs=1e-3)


def test_sinks_stay_those_of_the_prefill_at_later_steps_and_with_beams() -> None:
    model, inputs = model_of("llava"), ZOO["llava"].inputs(LENGTHS)
    with planted(model, "llava", inputs, PLACES):
        lens = LogitLens(model, inputs, LensSettings(probes=("attention",)))
        alone, beams = (
            lens.generate(inputs, image_tokens=image_tokens(inputs), **GREEDY, num_beams=number) for number in (1, 2)
        )
    for row in range(2):
        expected = alone.probes[0].result(Answered(row, [row] * 2, 0))["sinks"]
        np.testing.assert_array_equal(alone.probes[0].result(Answered(row, [row] * 2, 1))["sinks"], expected)
        np.testing.assert_array_equal(beams.probes[0].result(Answered(row, [row * 2] * 2, 0))["sinks"], expected)


def test_without_a_massive_first_token_no_image_token_is_a_sink_and_the_figures_are_equal() -> None:
    model, inputs = model_of("llava"), ZOO["llava"].inputs(LENGTHS)
    with planted(model, "llava", inputs, PLACES, first=False):
        lens = LogitLens(model, inputs, LensSettings(probes=("attention",)))
        traced = lens.generate(inputs, image_tokens=image_tokens(inputs), **GREEDY)
    answered = Answered(0, [0, 0], 0)
    found = traced.probes[0].result(answered)
    assert statuses_of(traced.probes[0], answered)["attention sinks"].startswith(
        "no_massive_activation: of the first token"
    )
    assert not found["sinks"].any() and found["attention_sinks"] == 0
    assert found["sinkless_svar"] == pytest.approx(found["svar"], rel=1e-6)
    assert found["sinkless_attention_entropy"] == found["attention_entropy"]


def test_narrow_states_and_prompts_that_begin_with_an_image_are_undetermined() -> None:
    narrow, inputs = ZOO["llava"].build(), ZOO["llava"].inputs(LENGTHS)
    wide = model_of("llava")
    first = {**inputs, "input_ids": torch.roll(inputs["input_ids"][1:], -2, -1)} | {
        name: inputs[name][1:] for name in ("attention_mask", "pixel_values")
    }
    for model, given, why in (
        (narrow, inputs, "no value of 32 can be 20 times"),
        (wide, first, "the prompt begins with an image token"),
    ):
        lens = LogitLens(model, given, LensSettings(probes=("attention",)))
        traced = lens.generate(given, image_tokens=image_tokens(given), **GREEDY)
        answered = Answered(0, [0, 0], 0)
        found, status = traced.probes[0].result(answered), statuses_of(traced.probes[0], answered)
        assert "svar" in found and not {"sinks", *FIGURES} & set(found)
        assert status["attention sinks"].startswith("undetermined: ") and why in status["attention sinks"]


def test_all_dimensions_that_outlie_are_found() -> None:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(50, 1200, generator=generator) * 0.01
    states[::2, 7], states[::5, 900] = 40.0, -35.0
    ratio = states.abs() / states.square().mean(-1, keepdim=True).sqrt()
    dimensions, which = outlying_dimensions(states)
    assert dimensions.shape == (50, 3)
    found = torch.zeros_like(ratio, dtype=torch.bool).scatter_(1, dimensions, which)
    assert torch.equal(found, ratio >= 20) and found.any()


def test_massive_is_above_100_and_1000_times_the_median() -> None:
    states = torch.full((4, 5), 0.15)
    states[0, 0], states[1, 0], states[2, 0], states[3, 0] = 160.0, -160.0, 140.0, 99.0
    states[3, 1:] = 0.01
    assert massive_dimensions(states).nonzero().tolist() == [[0, 0], [1, 0]]


def test_where_every_token_is_a_sink_there_is_no_entropy() -> None:
    found = figures(np.ones((2, 3)), [1, 2], 2, np.ones((2, 3), dtype=bool))
    assert found["attention_sinks"] == 3 and found["sinkless_svar"] == 0
    assert "sinkless_attention_entropy" not in found
