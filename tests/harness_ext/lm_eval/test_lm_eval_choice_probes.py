"""Probes of image tokens beside multiple choice: attention of the position that predicts the choice, words there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from controlled_records import mini_documents, mini_image, mini_text, read_prompt, same_readout
from lm_eval_outcome import Evaluate
from plain_model import lens_tiny_bounds, plain_lens_tiny
from scipy.special import softmax

WRITTEN = ("steps", "step_regions", "step_causes")
PROBES = f"lens_probes=image_tokens+attention+step_entropy+{'+'.join(WRITTEN)},lens_maps=all,lens_causal=top_attention"
CHOICES = ("да", "нет")
STEPS = 1 / 255


@pytest.fixture(scope="module")
def plain() -> Any:
    return plain_lens_tiny()


def test_attention_and_words_are_those_of_the_prompts_last_position(evaluate: Evaluate, plain: Any) -> None:
    (record,) = evaluate("choice", PROBES, limit=1).run.records()
    document = mini_documents("ruclevr_mini")[0]
    prompt = read_prompt(record, plain, mini_text(document))
    inputs = dict(plain.processor(text=[prompt], images=[mini_image(document)], return_tensors="pt"))
    before = plain.model.config._attn_implementation
    plain.model.set_attn_implementation("eager")
    with torch.no_grad():
        out = plain.model(**inputs, output_attentions=True, output_hidden_states=True)
    plain.model.set_attn_implementation(before)
    at = inputs["input_ids"][0] == plain.model.config.image_token_id
    expected = torch.stack([layer[0, :, -1].mean(0) for layer in out.attentions])[:, at].numpy()
    found = record.probes["attention"]
    np.testing.assert_allclose(found["map"], expected, atol=expected.max() * STEPS)
    assert record.label_free["svar"] == pytest.approx(expected[1:5].sum(), abs=1e-4)
    # the answer given and the right one
    names = {record.candidates[place] for place in (record.pred_candidate, record.gold_candidate) if place is not None}
    words = record.probes["image_tokens"]
    assert {name.removeprefix("map ") for name in words if name.startswith("map ") and name.split()[-1] in CHOICES} == (
        names | {f"near {name}" for name in names}
    )
    norm, head = plain.model.model.language_model.norm, plain.model.lm_head
    for name in names:
        token = plain.processor.tokenizer.encode(name)[0]
        for row, layer in enumerate(words[f"map {name} layers"].astype(int)):
            with torch.no_grad():
                state = out.hidden_states[layer][0, at]
                logits = head(state if layer == len(out.hidden_states) - 1 else norm(state)).double().numpy()
            own = softmax(logits, axis=1)[:, token]
            top = words[f"map {name}"].max()
            np.testing.assert_allclose(words[f"map {name}"][row], own, atol=top * STEPS + lens_tiny_bounds()["atol"])
    assert record.probe_status["attention"] == record.probe_status["image_tokens"] == "ok"
    for probe in ("step_entropy", *WRITTEN):
        assert record.probe_status[probe].startswith("not_generated: given answers are scored")
    assert record.probe_status["causal top_attention"] == "ok" and record.label_free["attention_drop"] is not None


def test_scores_and_readouts_are_those_of_a_run_without_probes(evaluate: Evaluate) -> None:
    given = PROBES.replace("lens_causal=top_attention", "lens_relative_attention=True")
    ours, without = evaluate("choice", given, limit=4), evaluate("choice", limit=4, output="plain")
    for one, other in zip(*(each.results["samples"]["choice"] for each in (ours, without)), strict=True):
        assert one["resps"] == other["resps"]
    for first, second in zip(ours.run.records(), without.run.records(), strict=True):
        scalars = {
            space: {name: getattr(first, space)[name] for name in getattr(second, space)}
            for space in ("label_free", "gold_based")
        }
        same_readout(replace(first, **scalars), second)
        assert {"attention", "relative_attention", "image_tokens"} <= set(first.probes) and not second.probes
