"""Continuations that share the pass over their prompt get bit for bit what each gets step by step behind its own."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from built_models import built
from decoder_passes import decoder_passes
from tolerances import FUNCTION, bounds, sums_of
from zoo import ZOO

from lens_models import ForcingError, LogitLens, prove_forcing
from lens_models.continuations import ScoredContinuation, score_continuations
from lens_models.deviation import logit_tolerance
from lens_models.forced_run import STEP_BY_STEP
from lens_models.forcing import Forcing, sharing_prefill

CHOICES = [(11, 12, 13), (11, 12, 14), (20, 21), (30,), (40, 41, 42, 43), (11, 15)]
ONE_OF_EACH = [(11, 12, 13), (40, 41, 42, 43)]


def same(ours: ScoredContinuation, theirs: ScoredContinuation) -> bool:
    assert ours.residual is not None and theirs.residual is not None
    assert ours.layer_logprobs is not None and theirs.layer_logprobs is not None
    pairs = (
        (ours.first_logits, theirs.first_logits),
        (ours.residual, theirs.residual),
        (ours.layer_logprobs, theirs.layer_logprobs),
    )
    scores = (ours.logprob, ours.greedy, ours.n_tokens) == (theirs.logprob, theirs.greedy, theirs.n_tokens)
    return scores and all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("family", sorted(ZOO))
@pytest.mark.parametrize("choices", [CHOICES, ONE_OF_EACH], ids=["mixed", "long"])
def test_scores_are_those_of_each_choice_step_by_step(
    family: str, dtype: torch.dtype, choices: list[tuple[int, ...]]
) -> None:
    model, inputs = built(family, dtype), ZOO[family].inputs((7,), dtype)
    lens = LogitLens(model, ZOO[family].inputs((5,), dtype))
    alone = Forcing(model, lens.parts, STEP_BY_STEP)
    shared = sharing_prefill(lens.forcing, ZOO[family].inputs((5,), dtype))
    with decoder_passes(model) as passes:
        found = score_continuations(shared, inputs, choices, lens=lens)
    positions = [count for _, count in passes]
    longest = max(positions)
    assert positions.count(longest) == 1 and set(positions) == {longest, 1}, "one pass over the prompt, then steps"
    expected = [score_continuations(alone, inputs, [each], lens=lens)[0] for each in choices]
    assert all(map(same, found, expected))
    in_one_pass = score_continuations(prove_forcing(model, inputs), inputs, choices)
    for ours, theirs in zip(found, in_one_pass, strict=True):
        scale = float(theirs.first_logits.float().max() - theirs.first_logits.float().min())
        logit = (
            bounds(dtype, sums_of(model, 64), FUNCTION, scale=scale)["atol"]
            if dtype == torch.float32
            else logit_tolerance(dtype, 4) * scale
        )
        assert ours.logprob == pytest.approx(theirs.logprob, abs=2 * ours.n_tokens * logit)


def test_what_stands_before_a_continuation_goes_as_before() -> None:
    model, inputs = built("llava"), ZOO["llava"].inputs((7,))
    forcing = prove_forcing(model, inputs)
    shared = sharing_prefill(forcing, inputs)
    before, plain = (score_continuations(each, inputs, CHOICES, before=(50, 51)) for each in (shared, forcing))
    assert [each.logprob for each in before] == [each.logprob for each in plain]


def test_one_pass_that_serves_all_is_left_as_it_is() -> None:
    model, inputs = built("llava"), ZOO["llava"].inputs((7,))
    forcing = prove_forcing(model, inputs)
    letters = [(11,), (12,), (13,)]
    shared = sharing_prefill(forcing, inputs)
    with decoder_passes(model) as passes:
        found = score_continuations(shared, inputs, letters)
    assert len(passes) == 1
    assert [each.logprob for each in found] == [each.logprob for each in score_continuations(forcing, inputs, letters)]


def test_a_model_that_remembers_more_than_its_keys_and_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = ZOO["llava"].build(), ZOO["llava"].inputs((7,))
    forward, calls = model.forward, [0]

    @functools.wraps(forward)
    def counting(*args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        if kwargs["input_ids"].shape[1] > 1:
            calls[0] = 0
        calls[0] += 1
        output.logits = output.logits + 1e-4 * calls[0] * torch.arange(output.logits.shape[-1])
        return output

    forcing = prove_forcing(model, inputs)
    monkeypatch.setattr(model, "forward", counting)
    with pytest.raises(ForcingError, match="LlavaForConditionalGeneration runs its prompt for each continuation"):
        sharing_prefill(forcing, inputs)
