"""Probes of image tokens beside scored continuations, against the model's own eager attention after the prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from zoo import IMAGE, ZOO

from lens_models import LensSettings, LogitLens
from lens_models.continuations import score_continuations
from lens_models.forced_run import ONE_PASS, STEP_BY_STEP
from lens_models.forcing import sharing_prefill
from lens_models.image_tokens import ImageTokens
from lens_models.probes import Answered

ONE_PREFILL = "one prefill"
SINGLE, MIXED, LONG = [(30,), (41,)], [(30,), (41,), (52, 63)], [(30, 31), (41, 42, 43)]
WORDS = {"red": (20, 33)}


def own_attention(model_type: str, inputs: Any) -> Any:
    """`[layers, image tokens]` of the last position, mean over heads."""
    model = ZOO[model_type].build()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        attentions = model(**inputs, output_attentions=True).attentions
    return torch.stack([layer[0, :, -1].mean(0) for layer in attentions])[:, inputs["input_ids"][0] == IMAGE].numpy()


@pytest.mark.parametrize("model_type", ["qwen2_vl", "llava", "gemma3"])
@pytest.mark.parametrize("way", [ONE_PASS, STEP_BY_STEP, ONE_PREFILL])
@pytest.mark.parametrize("sequences", [SINGLE, MIXED, LONG])
def test_probes_see_the_position_that_predicts_the_first_token(
    model_type: str, way: str, sequences: list[tuple[int, ...]]
) -> None:
    model, inputs = ZOO[model_type].build(), ZOO[model_type].inputs()
    model.set_attn_implementation("sdpa")
    lens = LogitLens(model, inputs, LensSettings(probes=("step_entropy", "image_tokens", "attention")))
    shared = way == ONE_PREFILL
    forcing = sharing_prefill(lens.forcing, inputs) if shared else replace(lens.forcing, way=way)
    positions = (inputs["input_ids"][0] == IMAGE).nonzero().flatten().numpy()
    tokens = ImageTokens(positions, np.zeros_like(positions))
    found = score_continuations(forcing, inputs, sequences, lens=lens, image_tokens=tokens)
    plain = score_continuations(forcing, inputs, sequences, lens=lens)
    assert [each.logprob for each in found] == [each.logprob for each in plain]
    assert all(torch.equal(a.layer_logprobs, b.layer_logprobs) for a, b in zip(found, plain, strict=True))
    assert all(each.probes == () for each in plain)
    expected = own_attention(model_type, inputs)
    whole = lens.generate(inputs, image_tokens=[tokens], max_new_tokens=1, do_sample=False)
    for each in found:
        probes = {probe.name: probe for probe in each.probes}
        assert set(probes) == {"image_tokens", "attention"}
        attended = probes["attention"].result(Answered(0, [0], 0))["map"]
        np.testing.assert_allclose(attended, expected, atol=1e-5)
        words = probes["image_tokens"].result(Answered(0, [0], 0, WORDS))
        generated = whole.probes[1].result(Answered(0, [0], 0, WORDS))
        np.testing.assert_allclose(words["map red"], generated["map red"], rtol=1e-3)


def test_a_pass_is_added_only_where_some_continuation_has_several_tokens() -> None:
    model, inputs = ZOO["llava"].build(), ZOO["llava"].inputs()
    lens = LogitLens(model, inputs, LensSettings(probes=("attention",)))
    positions = (inputs["input_ids"][0] == IMAGE).nonzero().flatten().numpy()
    tokens = ImageTokens(positions, np.zeros_like(positions))
    passes = []
    handle = lens.parts.head.register_forward_hook(lambda *_: passes.append(1))
    counts = []
    for sequences, given in ((s, t) for s in (SINGLE, MIXED, LONG) for t in (None, tokens)):
        passes.clear()
        score_continuations(lens.forcing, inputs, sequences, lens=lens, image_tokens=given)
        counts.append(len(passes))
    handle.remove()
    assert [counts[place + 1] - counts[place] for place in (0, 2, 4)] == [0, 1, 1]


def test_the_score_alone_holds_no_tensors_of_the_run() -> None:
    model, inputs = ZOO["llava"].build(), ZOO["llava"].inputs()
    lens = LogitLens(model, inputs, LensSettings(probes=("attention",)))
    (found,) = score_continuations(lens.forcing, inputs, [(30,)], lens=lens)
    alone = found.alone()
    assert (alone.logprob, alone.n_tokens, alone.greedy) == (found.logprob, found.n_tokens, found.greedy)
    assert alone.residual is None and alone.layer_logprobs is None and not alone.first_logits.numel()
