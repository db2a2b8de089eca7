"""Interventions on pictures and prompts against slow references: one prompt, no cache, whole attention matrices."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from built_models import built
from scipy.special import log_softmax, softmax
from slow_interventions import BEGIN, INSTRUCTION, expected_logits, last_logits, made_for, one_row, reference_model
from torch import Tensor
from transformers.modeling_utils import AttentionInterface
from zoo import IMAGE, VIDEO, ZOO

from lens_models import LensArgumentError, LensSettings, LogitLens
from lens_models.attention import AttentionCall, attention_observed, last_weights
from lens_models.continuations import score_continuations
from lens_models.image_tokens import ImageTokens
from lens_models.interventions import Host, Intervention, bound, changed, interventions_of, settings_of
from lens_models.probes import Answered

N = 4
GREEDY: dict[str, Any] = {"max_new_tokens": N, "do_sample": False}
FAMILIES = ("llava", "qwen2_vl", "gemma3")
GUIDED = ("pai:0.5", "pai:1:gamma=2:layers=2-3:cut=0.01")
INSTRUCTED = ("icd", "icd:0.5:cut=0.01")
ALONE = (
    "pai:0.7:gamma=1",
    "adaptvis:1:high=4:threshold=0",
    "adaptvis:1:low=0.1:threshold=1",
    "vista:0.5",
    "vista:0.9:mix=0",
    "memvr:0.9",
    "memvr:0.7:threshold=0.9:layers=1-3",
)
ALL = (*GUIDED, *INSTRUCTED, *ALONE)


class Tokenizer(SimpleNamespace):
    bos_token_id = BEGIN

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        assert not add_special_tokens and "confused" in text
        return {"input_ids": list(INSTRUCTION)}


def lens_of(family: str, implementation: str = "eager") -> LogitLens:
    model = built(family)
    if implementation != "eager":
        model = ZOO[family].build()
        model.set_attn_implementation(implementation)
    return LogitLens(model, ZOO[family].inputs(), LensSettings())


def made(words: str, lens: LogitLens, family: str) -> tuple[Intervention, ...]:
    return made_for(words, lens, family, Tokenizer())


def said_by_reference(words: str, family: str, inputs: Mapping[str, Any], **changes: Any) -> list[int]:
    (asked,) = interventions_of(words)
    said: list[int] = []
    for _ in range(N):
        logits = expected_logits(asked, reference_model(family, **changes), inputs, said)
        logits[[IMAGE, VIDEO]] = -np.inf
        said.append(int(logits.argmax()))
    return said


@pytest.mark.parametrize("family", FAMILIES)
def test_the_reference_without_a_change_is_the_model(family: str) -> None:
    inputs = ZOO[family].inputs()
    own = last_logits(reference_model(family), inputs)
    np.testing.assert_allclose(own, last_logits(built(family), inputs), atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("words", ALL)
def test_tokens_are_those_of_the_formula(words: str, family: str) -> None:
    lens, specimen = lens_of(family), ZOO[family]
    rows = [specimen.inputs((6,), seed=seed) for seed in (1, 2, 3)]
    expected = [said_by_reference(words, family, row) for row in rows]
    found = [lens.generate(row, interventions=made(words, lens, family), **GREEDY).new_tokens[0] for row in rows]
    assert [list(each) for each in found] == expected
    plain = [list(lens.generate(row, **GREEDY).new_tokens[0]) for row in rows]
    assert plain != expected, "an intervention that changes nothing here tests nothing"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("words", ALL)
def test_a_padded_batch_and_sampling_are_changed_alike(words: str, family: str) -> None:
    lens, specimen = lens_of(family), ZOO[family]
    both = specimen.inputs((3, 6))
    together = lens.generate(both, interventions=made(words, lens, family), **GREEDY).new_tokens
    assert [list(each) for each in together] == [said_by_reference(words, family, one_row(both, row)) for row in (0, 1)]
    torch.manual_seed(0)
    asked = {"max_new_tokens": N, "do_sample": True, "top_k": 1}
    assert lens.generate(both, interventions=made(words, lens, family), **asked).new_tokens == together


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("words", ALL)
def test_given_tokens_are_scored_by_the_formula(words: str, family: str) -> None:
    lens, inputs = lens_of(family), ZOO[family].inputs()
    (asked,) = interventions_of(words)
    given = tuple(lens.generate(inputs, interventions=made(words, lens, family), **GREEDY).new_tokens[0][:3])
    with changed(lens.parts, made(words, lens, family)):
        (scored,) = score_continuations(lens.forcing, inputs, [given[1:]], before=given[:1], lens=lens)
    expected, greedy = 0.0, True
    for place, token in list(enumerate(given))[1:]:
        logits = expected_logits(asked, reference_model(family), inputs, given[:place])
        expected, greedy = expected + log_softmax(logits)[token], greedy and logits.argmax() == token
    assert scored.logprob == pytest.approx(expected, abs=1e-3)
    assert scored.greedy == greedy
    # the readout is of the model's own logits at the tokens that the intervention chose
    assert scored.residual is not None
    assert lens.compare_position(scored.residual, scored.first_logits).exact


@pytest.mark.parametrize("words", ALL)
def test_the_readout_is_exact_and_the_model_is_left_as_it_was(words: str) -> None:
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs((3, 6))
    plain = lens.generate(inputs, **GREEDY)
    changed_run = lens.generate(inputs, interventions=made(words, lens, "llava"), **GREEDY)
    assert changed_run.trace.n_steps == N, "a second run is seen by no observer"
    report = lens.check(changed_run)
    assert report is not None and report.exact
    same = torch.equal(plain.trace.steps[0], changed_run.trace.steps[0])
    assert same == words.startswith("icd"), "all but ICD change the stream itself"
    assert lens.generate(inputs, **GREEDY).new_tokens == plain.new_tokens


@pytest.mark.parametrize("words", (*GUIDED, *INSTRUCTED))
def test_a_second_stream_refuses_beams(words: str) -> None:
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs((3, 6))
    with pytest.raises(LensArgumentError, match="without beam search"):
        lens.generate(inputs, interventions=made(words, lens, "llava"), **GREEDY, num_beams=2)


@pytest.mark.parametrize("words", ALONE)
def test_a_single_stream_is_right_in_every_beam(words: str) -> None:
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs()
    (asked,) = interventions_of(words)
    kept = {"output_scores": True, "return_dict_in_generate": True}
    with changed(lens.parts, made(words, lens, "llava")):
        found = lens.model.generate(**inputs, **GREEDY, num_beams=3, **kept)
    said = found.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    total = 0.0
    for place, token in enumerate(said):
        logits = expected_logits(asked, reference_model("llava"), inputs, said[:place])
        total += log_softmax(logits)[token]
    assert float(found.sequences_scores[0]) == pytest.approx(total / N, abs=1e-3)


@pytest.mark.parametrize(
    "words", ["pai", "pai:0.3:gamma=1", "adaptvis:1:low=0.1:threshold=1", "vista:0.5:mix=0", "memvr:1"]
)
def test_a_prompt_without_a_picture_runs_as_it_is(words: str) -> None:
    lens = lens_of("llava")
    inputs = {"input_ids": torch.tensor([[1, 30, 40]]), "attention_mask": torch.ones(1, 3).long()}
    plain = lens.generate(inputs, **GREEDY)
    assert lens.generate(inputs, interventions=made(words, lens, "llava"), **GREEDY).new_tokens == plain.new_tokens


@pytest.mark.parametrize("words", ["pai:0", "adaptvis:0", "icd:0", "vista:0", "memvr:0", "pai:0+vista:0"])
def test_strength_0_is_the_plain_run(words: str) -> None:
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs((3, 6))
    kept = {"output_logits": True, "return_dict_in_generate": True}
    plain = lens.model.generate(**inputs, **GREEDY, **kept)
    with changed(lens.parts, made(words, lens, "llava")):
        same = lens.model.generate(**inputs, **GREEDY, **kept)
    assert torch.equal(plain.sequences, same.sequences)
    assert all(torch.equal(a, b) for a, b in zip(plain.logits, same.logits, strict=True))


@pytest.mark.parametrize("words", ["pai:0.5", "pai:0.7:gamma=1", "adaptvis:1:high=4:threshold=0"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_a_window_that_slides_out_of_the_picture(words: str, implementation: str) -> None:
    """Behind the prompt layers have the last keys alone; the picture is where it was in the sequence."""
    changes = {"sliding_window": 8}
    inputs = ZOO["gemma3"].inputs((4,))
    model = ZOO["gemma3"].build(**changes)
    model.set_attn_implementation(implementation)
    lens = LogitLens(model, inputs, LensSettings())
    found = lens.generate(inputs, interventions=made(words, lens, "gemma3"), **GREEDY).new_tokens[0]
    assert list(found) == said_by_reference(words, "gemma3", inputs, **changes)


def test_observers_of_attention_see_what_is_used() -> None:
    lens, inputs = lens_of("llava", "sdpa"), ZOO["llava"].inputs()
    image = inputs["input_ids"][0] == IMAGE

    def seen(words: str) -> Any:
        calls: list[tuple[Tensor, AttentionCall]] = []
        see = lambda call: calls.append((last_weights(call)[0], call))  # noqa: E731
        with changed(lens.parts, made(words, lens, "llava")), attention_observed(lens.parts, see):
            lens.model.generate(**inputs, max_new_tokens=1, do_sample=False)
        return calls

    plain, found = seen("pai:0"), seen("pai:0.5")
    assert len(found) == len(plain) == lens.parts.n_layers, "the run without the picture is seen by no observer"
    assert float(found[0][0][:, image].sum()) > float(plain[0][0][:, image].sum())
    for weights, call in found:
        value = call.value[0].repeat_interleave(2, 0)
        torch.testing.assert_close(torch.einsum("ht,htd->hd", weights, value), call.output[0, -1])


@pytest.mark.parametrize(
    "words",
    [
        *("pai:0.5+vcd+icd", "vcd+vista:0.5+adaptvis:1:high=4:threshold=0", "pai:0.5+icd", "icd+pai:0.5"),
        *("icd+memvr:0.9", "icd+adaptvis:1:high=4:threshold=0+vista:0.5"),
    ],
)
def test_several_second_runs_keep_apart(words: str) -> None:
    """VCD's run of the noisy picture is under PAI too, with a run without the picture of its own."""
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs((3, 6))
    found = lens.generate(inputs, interventions=made(words, lens, "llava"), **GREEDY).new_tokens
    with changed(lens.parts, made(words, lens, "llava")):
        again = lens.model.generate(**inputs, **GREEDY, use_cache=False)[:, -N:]
    assert [list(each) for each in found] == again.tolist()


def test_in_half_precision_nothing_is_refused_and_the_rest_of_the_row_stays() -> None:
    model = ZOO["qwen2_vl"].build(torch.bfloat16)
    model.set_attn_implementation("sdpa")
    inputs = ZOO["qwen2_vl"].inputs((3, 6), torch.bfloat16)
    lens = LogitLens(model, inputs, LensSettings())
    for words in ALL:
        assert len(lens.generate(inputs, interventions=made(words, lens, "qwen2_vl"), **GREEDY).new_tokens) == 2


def test_a_model_whose_pictures_are_no_positions_is_refused() -> None:
    inputs = ZOO["mllama"].inputs()
    lens = LogitLens(built("mllama"), inputs, LensSettings())
    host = Host(lens.unembedding, Tokenizer(), ((IMAGE,),), inputs)
    for words in ("pai", "adaptvis", "vista"):
        with pytest.raises(LensArgumentError, match="layers 2, 4 of Mllama"):
            bound(interventions_of(words), host)
        with pytest.raises(LensArgumentError, match="no position of the prompts"):
            bound(interventions_of(words), Host(lens.unembedding))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        *(("pai:0.2:cut=0", "above 0"), ("adaptvis:1:threshold=2", "a probability"), ("vista:1:mix=2", "a share")),
        *(("icd:1:cut=3", "0 to 1"), ("icd:1:instruction= ", "some words"), ("pay", "Did you mean pai")),
    ],
)
def test_what_cannot_be_set_is_refused(words: str, why: str) -> None:
    with pytest.raises(LensArgumentError, match=why):
        interventions_of(words)


def test_settings_are_told_for_the_fingerprint() -> None:
    lens = lens_of("llava")
    told = {each.name: settings_of(each) for each in made("pai+icd+adaptvis+vista", lens, "llava")}
    assert told["pai"] == {"gamma": 1.1, "layers_of": "", "cut": 0.1}
    assert set(told["icd"]) == {"cut", "instruction"}
    assert told["adaptvis"] == {"low": 0.5, "high": 1.2, "threshold": 0.3}
    assert told["vista"] == {"mix": 0.3, "layers_of": ""}


def test_how_sure_the_model_is_decides_row_by_row() -> None:
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs((3, 6))
    sure = [float(softmax(last_logits(built("llava"), one_row(inputs, row))).max()) for row in (0, 1)]
    words = f"adaptvis:1:low=0.1:high=4:threshold={sum(sure) / 2}"
    found = lens.generate(inputs, interventions=made(words, lens, "llava"), **GREEDY).new_tokens
    assert [list(each) for each in found] == [said_by_reference(words, "llava", one_row(inputs, row)) for row in (0, 1)]


def test_an_attention_that_does_more_than_weigh_values_is_refused() -> None:
    model, inputs = ZOO["llava"].build(), ZOO["llava"].inputs()
    model.set_attn_implementation("sdpa")
    lens = LogitLens(model, inputs, LensSettings())
    interventions = made("pai:0.2:gamma=1", lens, "llava")
    own = AttentionInterface()["sdpa"]

    def gated(*args: Any, **kwargs: Any) -> Any:
        output, weights = own(*args, **kwargs)
        return output * 1.01, weights

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(AttentionInterface._global_mapping, "sdpa", gated)
        with pytest.raises(LensArgumentError, match=r"layer 1: the attention of Llava.* cannot be changed"):
            lens.generate(inputs, interventions=interventions, **GREEDY)
        with pytest.raises(LensArgumentError, match=r"pai needs attention, and that of Llava.* is not read"):
            made("pai", lens, "llava")


def test_the_probe_of_attention_is_about_the_picture_and_not_about_a_second_run() -> None:
    model, inputs = ZOO["llava"].build(), ZOO["llava"].inputs()
    lens = LogitLens(model, inputs, LensSettings(probes=("attention",)))
    positions = (inputs["input_ids"][0] == IMAGE).nonzero().flatten().numpy()
    tokens = [ImageTokens(positions, np.zeros_like(positions))]

    def heat(words: str) -> Any:
        traced = lens.generate(inputs, interventions=made(words, lens, "llava"), image_tokens=tokens, **GREEDY)
        return traced.probes[0].result(Answered(0, [0] * N, 0))["map"]

    np.testing.assert_array_equal(heat("vcd:1:noise=900"), heat("vcd:0"))
    np.testing.assert_array_equal(heat("icd"), heat("icd:0"))
    assert (heat("pai:0.5")[0] != heat("pai:0")[0]).any()


@pytest.mark.parametrize("words", ALL)
def test_other_caches_are_right_or_refused(words: str) -> None:
    lens, inputs = lens_of("llava", "sdpa"), ZOO["llava"].inputs((3, 6))
    expected = lens.generate(inputs, interventions=made(words, lens, "llava"), **GREEDY).new_tokens

    def generate(**settings: Any) -> Any:
        with changed(lens.parts, made(words, lens, "llava")):
            return lens.model.generate(**inputs, **GREEDY, **settings)[:, -N:].tolist()

    if words.startswith("adaptvis") or "gamma=1" in words:
        assert generate(cache_implementation="static") == [list(row) for row in expected]
    else:
        with pytest.raises(LensArgumentError, match="leave cache_implementation out"):
            generate(cache_implementation="static")
    with pytest.raises(LensArgumentError, match="one token a pass behind a prompt, found 8"):
        generate(prefill_chunk_size=8)


@torch.no_grad()
@pytest.mark.parametrize("words", ["vcd:1:noise=999:cut=0.5", "pai:0.5:gamma=3:cut=0.5"])
def test_a_row_without_a_picture_is_left_alone_beside_one_with_a_picture(words: str) -> None:
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs((3, 3))
    ids = inputs["input_ids"].clone()
    ids[1][ids[1] == IMAGE] = 30
    mixed = {**inputs, "input_ids": ids, "pixel_values": inputs["pixel_values"][:1]}
    plain = lens.model(**mixed).logits
    with changed(lens.parts, made(words, lens, "llava")):
        held = lens.model(**mixed).logits
    torch.testing.assert_close(plain[1], held[1], msg="no token of it is cut")
    assert bool(held[0, -1].isinf().any())
    assert not torch.equal(plain[0, -1], held[0, -1])
