"""Attention of the predicting position: the models' own weights, planted maps, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from built_models import built
from scipy.stats import entropy
from torch import nn
from transformers.modeling_utils import AttentionInterface
from zoo import IMAGE, ZOO

from lens_models import LensSettings, LogitLens, find_parts
from lens_models.attention import AttentionCall, attention_observed, last_weights, proof, prove_attention
from lens_models.attention.observing import _ENTRANCE
from lens_models.image_tokens import ImageTokens
from lens_models.probes import Answered
from lens_models.probes.attention import figures, middle

N = 4
GREEDY: dict[str, Any] = {"max_new_tokens": N, "do_sample": False}
LENGTHS = (3, 6)
FP32 = 64 * 2.0**-24


def image_tokens(inputs: Any) -> list[ImageTokens]:
    found = []
    for row in inputs["input_ids"]:
        positions = (row == IMAGE).nonzero().flatten().numpy()
        found.append(ImageTokens(positions, np.zeros_like(positions)))
    return found


def model_of(model_type: str, implementation: str, dtype: torch.dtype = torch.float32) -> Any:
    model = ZOO[model_type].build(dtype)
    model.set_attn_implementation(implementation)
    return model


def observed(model: Any, inputs: Any, **settings: Any) -> tuple[LogitLens, Any]:
    lens = LogitLens(model, inputs, LensSettings(probes=("attention",)))
    assert lens.refused_probes == {}
    return lens, lens.generate(inputs, image_tokens=image_tokens(inputs), **{**GREEDY, **settings})


def own_attentions(model: Any, inputs: Any, **settings: Any) -> Any:
    """Of each step `[layers, rows, heads, context]` of the last position, by the model itself."""
    asked = {**GREEDY, **settings, "output_attentions": True, "return_dict_in_generate": True}
    steps = model.generate(**inputs, **asked).attentions
    return [torch.stack([layer[:, :, -1] for layer in step]) for step in steps]


@pytest.mark.parametrize("model_type", ["qwen2_vl", "llava", "gemma3", "idefics3"])
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_maps_are_the_models_own_eager_attention_at_every_step(model_type: str, implementation: str) -> None:
    inputs = ZOO[model_type].inputs(LENGTHS)
    lens, traced = observed(model_of(model_type, implementation), inputs)
    theirs = own_attentions(model_of(model_type, "eager"), inputs)
    for sample in range(len(LENGTHS)):
        at = inputs["input_ids"][sample] == IMAGE
        for step in range(N):
            found = traced.probes[0].result(Answered(sample, [sample] * N, step))
            weights = theirs[step][:, sample, :, : len(at)][..., at].double().numpy()
            # two models that differ in the order of their sums, a few layers apart
            np.testing.assert_allclose(found["map"], weights.mean(1), atol=1e-4)
            np.testing.assert_allclose(found["mass"], weights.sum(-1), atol=1e-4)
            assert found["layers"].tolist() == list(range(1, lens.parts.n_layers + 1))


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("window", [4, 12])
def test_a_layer_whose_window_slid_on_sees_what_is_left_of_the_picture(implementation: str, window: int) -> None:
    """Behind the prompt such a layer has the last keys alone, and the picture is where it was in the sequence."""
    inputs = ZOO["gemma3"].inputs(LENGTHS)
    at = [row == IMAGE for row in inputs["input_ids"]]

    def built_with_window(own: str) -> Any:
        model = ZOO["gemma3"].build(sliding_window=window)
        model.set_attn_implementation(own)
        return model

    _, traced = observed(built_with_window(implementation), inputs)
    asked = {**GREEDY, "output_attentions": True, "return_dict_in_generate": True}
    attentions = built_with_window("eager").generate(**inputs, **asked).attentions
    length = inputs["input_ids"].shape[1]
    for sample in range(len(LENGTHS)):
        for step in range(N):
            found = traced.probes[0].result(Answered(sample, [sample] * N, step))
            for layer, weights in enumerate(attentions[step]):
                own = weights[sample, :, -1].double().numpy()
                whole = np.zeros((own.shape[0], length + step))
                whole[:, length + step - own.shape[1] :] = own
                expected = whole[:, :length][:, at[sample].numpy()].mean(0)
                np.testing.assert_allclose(found["map"][layer], expected, atol=1e-4)


def test_svar_mass_and_entropy_are_those_of_the_published_formulas() -> None:
    inputs = ZOO["llava"].inputs(LENGTHS)
    _, traced = observed(model_of("llava", "sdpa"), inputs)
    weights = own_attentions(model_of("llava", "eager"), inputs)[0][:, 1][..., inputs["input_ids"][1] == IMAGE]
    found = traced.probes[0].result(Answered(1, [1] * N, 0))
    # layers 5 to 18 of 32 are 1 and 2 of 4
    assert found["svar"] == pytest.approx(float(weights[:2].sum(-1).mean(-1).sum()), abs=1e-4)
    assert found["image_mass"] == pytest.approx(float(weights.sum(-1).mean()), abs=1e-4)
    assert found["attention_entropy"] == pytest.approx(entropy(weights[:2].mean((0, 1)).numpy()), abs=1e-3)


@pytest.mark.parametrize("model_type", ["qwen2_vl", "llava", "gemma3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_no_token_and_no_logit_changes(model_type: str, dtype: torch.dtype, implementation: str) -> None:
    model, inputs = model_of(model_type, implementation, dtype), ZOO[model_type].inputs(LENGTHS, dtype)
    settings = {**GREEDY, "output_logits": True, "return_dict_in_generate": True}
    plain = model.generate(**inputs, **settings)
    lens = LogitLens(model, inputs, LensSettings(probes=("attention",)))
    ours = lens.generate(inputs, image_tokens=image_tokens(inputs), **settings)
    assert torch.equal(ours.sequences, plain.sequences)
    with attention_observed(lens.parts, lambda call: last_weights(call)):
        again = model.generate(**inputs, **settings)
    assert all(torch.equal(a, b) for a, b in zip(plain.logits, again.logits, strict=True))


def test_beams_are_followed() -> None:
    inputs = ZOO["llava"].inputs(LENGTHS)
    model = model_of("llava", "eager")
    _, traced = observed(model, inputs, num_beams=3)
    theirs = own_attentions(model, inputs, num_beams=3)
    for sample in range(len(LENGTHS)):
        rows = [traced.row(sample, step) for step in range(N)]
        at = inputs["input_ids"][sample] == IMAGE
        for step in range(N):
            found = traced.probes[0].result(Answered(sample, rows, step))["map"]
            own = theirs[step][:, rows[step], :, : len(at)][..., at].mean(1)
            np.testing.assert_allclose(found, own.numpy(), atol=FP32)


def test_without_a_located_answer_or_image_tokens_there_is_nothing() -> None:
    inputs = ZOO["llava"].inputs(LENGTHS)
    lens, traced = observed(model_of("llava", "sdpa"), inputs)
    assert traced.probes[0].result(Answered(0, [0] * N, None)) == {}
    assert traced.probes[0].result(Answered(0, [0] * N, N + 3)) == {}
    for tokens in ([], [ImageTokens.none(), ImageTokens.none()]):
        bare = lens.generate(inputs, image_tokens=tokens, **GREEDY)
        assert bare.probes[0].result(Answered(0, [0] * N, 0)) == {}


def test_a_row_without_image_tokens_beside_one_with_some() -> None:
    inputs = ZOO["llava"].inputs(LENGTHS)
    lens = LogitLens(model_of("llava", "sdpa"), inputs, LensSettings(probes=("attention",)))
    first, second = image_tokens(inputs)
    short = ImageTokens(second.positions[:2], second.image[:2])
    traced = lens.generate(inputs, image_tokens=[first, short], **GREEDY)
    whole = lens.generate(inputs, image_tokens=[first, second], **GREEDY)
    found, all_of_it = (each.probes[0].result(Answered(1, [1] * N, 0)) for each in (traced, whole))
    np.testing.assert_allclose(found["map"], all_of_it["map"][:, :2], atol=FP32)
    np.testing.assert_allclose(found["mass"].mean(1), found["map"].sum(1), atol=FP32)


class Planted(nn.Module):
    """Stands for an attention module of one head group."""

    def __init__(self) -> None:
        super().__init__()
        self.num_key_value_groups = 1


def call(query: Any, key: Any, **changes: Any) -> AttentionCall:
    given: dict[str, Any] = {"mask": None, "settings": {"scaling": 1.0}, "value": key, "output": query.transpose(1, 2)}
    given |= changes
    return AttentionCall(1, Planted(), query, key, given["value"], given["mask"], given["settings"], given["output"])


def test_a_planted_head_attends_to_its_one_patch() -> None:
    """Two heads; in each the last query is a large multiple of one key and orthogonal to all others."""
    key = torch.eye(6).expand(1, 2, 6, 6).clone()
    query = torch.zeros(1, 2, 3, 6)
    query[0, 0, -1, 2] = query[0, 1, -1, 4] = 50.0
    weights = last_weights(call(query, key))
    assert weights[0, 0].argmax() == 2 and weights[0, 1].argmax() == 4
    assert torch.allclose(weights.amax(-1), torch.ones(1, 2))


def test_scaling_cap_window_bias_padding_and_sink_each_play_their_part() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(1, 4, 1, 8), torch.randn(1, 2, 5, 8)
    scores = torch.stack([query[0, head, 0] @ key[0, head // 2].T for head in range(4)])
    plain = torch.softmax(scores * 8**-0.5, -1)
    assert torch.allclose(last_weights(call(query, key, settings={}))[0], plain, atol=FP32)
    capped = torch.softmax(2 * torch.tanh(scores * 0.5 / 2), -1)
    assert torch.allclose(
        last_weights(call(query, key, settings={"scaling": 0.5, "softcap": 2.0}))[0], capped, atol=FP32
    )
    window = torch.softmax(scores[:, -2:], -1)
    found = last_weights(call(query, key, settings={"scaling": 1.0, "sliding_window": 2}))[0]
    assert torch.allclose(found[:, -2:], window, atol=FP32) and not found[:, :-2].any()
    padding = torch.tensor([[0, 0, 1, 1, 1]])
    found = last_weights(call(query, key, mask=padding))[0]
    assert torch.allclose(found[:, 2:], torch.softmax(scores[:, 2:], -1), atol=FP32) and not found[:, :2].any()
    boolean = padding.bool()[:, None, None]
    assert torch.equal(found, last_weights(call(query, key, mask=boolean))[0])
    bias = torch.randn(1, 4, 1, 5)
    found = last_weights(call(query, key, settings={"scaling": 1.0, "position_bias": bias}))[0]
    assert torch.allclose(found, torch.softmax(scores + bias[0, :, 0], -1), atol=FP32)
    sinks = torch.tensor([0.0, 1.0, 2.0, 3.0])
    found = last_weights(call(query, key, settings={"scaling": 1.0, "s_aux": sinks}))[0]
    expected = torch.softmax(torch.cat([scores, sinks[:, None]], -1), -1)[:, :-1]
    assert torch.allclose(found, expected, atol=FP32) and (found.sum(-1) < 1).all()


@pytest.mark.parametrize("model_type", ["qwen2_vl", "llava", "gemma3", "mllama", "qwen3_vl"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_the_zoo_is_proven(model_type: str, dtype: torch.dtype, implementation: str) -> None:
    model = model_of(model_type, implementation, dtype)
    report = prove_attention(model, find_parts(model), ZOO[model_type].inputs(LENGTHS, dtype))
    assert report.status == "exact", report.reason
    assert report.deviation is not None and report.deviation < FP32
    assert len(report.layers) == (3 if model_type == "mllama" else find_parts(model).n_layers)


WRONG = {
    "no scaling": lambda weights: torch.softmax(weights.clamp_min(1e-30).log() * 1.5, -1),
    "moved by one": lambda weights: weights.roll(1, -1),
    "heads in another order": lambda weights: weights.flip(1),
    "rows in another order": lambda weights: weights.flip(0),
    "the mean over heads": lambda weights: weights.mean(1, keepdim=True).expand_as(weights),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("eager_known", [True, False])
def test_weights_that_are_not_in_use_are_refused(
    wrong: str, dtype: torch.dtype, eager_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "last_weights", lambda call: WRONG[wrong](last_weights(call)))
    if not eager_known:  # as under transformers 4, where the output alone tells
        monkeypatch.setattr(proof, "_eager_deviation", lambda call, weights: None)
    model = model_of("llava", "sdpa", dtype)
    report = prove_attention(model, find_parts(model), ZOO["llava"].inputs(LENGTHS, dtype))
    assert (report.status == "refused" and "layer" in report.reason) or "plain attention" in report.reason


def test_a_model_that_attends_in_its_own_way_is_refused_and_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = built("llava"), ZOO["llava"].inputs(LENGTHS)
    monkeypatch.setattr("lens_models.attention.proof.self_attention", lambda call: False)
    lens = LogitLens(model, inputs, LensSettings(probes=("attention", "step_entropy")))
    assert "does not call its attention" in lens.refused_probes["attention"]
    assert [probe.name for probe in lens.generate(inputs, **GREEDY).probes] == ["step_entropy"]


def test_the_registry_comes_back_and_other_models_are_not_looked_at() -> None:
    own = getattr(AttentionInterface, _ENTRANCE)
    first, second = model_of("llava", "sdpa"), model_of("llava", "sdpa")
    seen: list[int] = []
    inputs = ZOO["llava"].inputs()
    with attention_observed(find_parts(first), lambda call: seen.append(call.layer)):
        second(**inputs)
        assert seen == []
        first(**inputs)
    assert seen == [1, 2, 3, 4]
    assert getattr(AttentionInterface, _ENTRANCE) is own
    with pytest.raises(ZeroDivisionError), attention_observed(find_parts(first), lambda call: 1 / 0):
        first(**inputs)
    assert getattr(AttentionInterface, _ENTRANCE) is own


@pytest.mark.parametrize(("n_layers", "layers"), [(32, range(5, 19)), (28, range(5, 16)), (4, (1, 2)), (2, (1,))])
def test_the_middle_layers(n_layers: int, layers: Any) -> None:
    numbers = np.arange(1, n_layers + 1)
    assert numbers[middle(numbers, n_layers)].tolist() == list(layers)
    assert middle(np.asarray([30, 31]), 32).all()  # a hybrid whose attention stands elsewhere


def test_a_map_without_mass_has_the_entropy_of_a_flat_one() -> None:
    assert figures(np.zeros((2, 8)), [1, 2], 2)["attention_entropy"] == pytest.approx(np.log(8))
