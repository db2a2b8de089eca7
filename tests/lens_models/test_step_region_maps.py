"""Maps at the steps of a generated text, against the model's own eager attention and its own hidden states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from test_attention import GREEDY, LENGTHS, image_tokens, model_of, own_attentions
from test_image_token_lens import WORDS, independent
from tolerances import FUNCTION, bounds
from zoo import IMAGE, ZOO

from lens_models import LensSettings, LogitLens
from lens_models.probes import PROBES, Answered, StepRegions, observes_given

N = 6
LONG: dict[str, Any] = {**GREEDY, "max_new_tokens": N}
CASES = [
    ("qwen2_vl", "sdpa", torch.float32), ("llava", "sdpa", torch.float32), ("gemma3", "eager", torch.float32),
    ("qwen2_vl", "eager", torch.bfloat16), ("llava", "eager", torch.bfloat16),
]  # fmt: skip


def observed(model: Any, inputs: Any) -> tuple[LogitLens, Any, StepRegions]:
    lens = LogitLens(model, inputs, LensSettings(probes=("step_regions",)))
    assert lens.refused_probes == {}
    traced = lens.generate(inputs, image_tokens=image_tokens(inputs), **LONG)
    (probe,) = traced.probes
    assert isinstance(probe, StepRegions)
    return lens, traced, probe


@pytest.mark.parametrize(("model_type", "implementation", "dtype"), CASES)
def test_attention_at_any_pass_is_the_models_own_over_the_middle_layers(
    model_type: str, implementation: str, dtype: torch.dtype
) -> None:
    """Batches of two rows of unlike lengths; layers 1 and 2 of 4 are the middle ones (5/32 to 18/32)."""
    inputs = ZOO[model_type].inputs(LENGTHS, dtype)
    model = model_of(model_type, implementation, dtype)
    _, _, probe = observed(model, inputs)
    model.set_attn_implementation("eager")
    theirs = own_attentions(model, inputs, max_new_tokens=N)
    passes = [1, 2, 4]
    for sample in range(len(LENGTHS)):
        at = inputs["input_ids"][sample] == IMAGE
        found = probe.looked(Answered(sample, [sample] * N), passes)
        assert found is not None and found.shape == (len(passes), int(at.sum()))
        for own, number in zip(found, passes, strict=True):
            weights = theirs[number][:2, sample, :, : len(at)][..., at].double()
            # of two implementations in fp32; the same one in 16 bits, whose weights are below 1
            atol = 1e-4 if dtype == torch.float32 else 2.0**-8
            np.testing.assert_allclose(own, weights.mean((0, 1)).numpy(), atol=atol)


@pytest.mark.parametrize("model_type", ["qwen2_vl", "llava"])
def test_words_are_read_from_the_models_own_states_of_the_image(model_type: str) -> None:
    """The least over the words of the largest probability over layers."""
    inputs = ZOO[model_type].inputs(LENGTHS)
    lens, _, probe = observed(model_of(model_type, "sdpa"), inputs)
    layers = list(range(1, lens.parts.n_layers + 1))
    width = lens.parts.hidden_size
    allowed = bounds("float32", width, width, FUNCTION, scale=64.0)
    for sample in range(len(LENGTHS)):
        expected = independent(model_of(model_type, "sdpa"), inputs, layers, sample).max(1).min(0)
        found = probe.words(Answered(sample, [sample] * N, words=WORDS))
        np.testing.assert_allclose(found, expected, rtol=allowed["atol"], atol=1e-9)


def test_what_did_not_run_or_has_no_words_is_absent() -> None:
    inputs = ZOO["llava"].inputs(LENGTHS)
    _, _, probe = observed(model_of("llava", "sdpa"), inputs)
    answered = Answered(0, [0] * N)
    assert probe.looked(answered, [N]) is None and probe.looked(answered, []) is None
    assert probe.words(answered) is None
    assert probe.result(answered) == {}


def test_of_written_text_given_answers_are_not_observed() -> None:
    assert {name for name in PROBES if observes_given(name)} == {"attention", "image_tokens"}


def test_no_token_changes() -> None:
    inputs = ZOO["llava"].inputs(LENGTHS)
    plain = model_of("llava", "sdpa").generate(**inputs, **LONG)
    _, traced, _ = observed(model_of("llava", "sdpa"), inputs)
    assert torch.equal(traced.sequences, plain)
