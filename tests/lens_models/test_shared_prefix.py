"""Behind a beginning that two prompts share, a model says what it says behind a whole pass, or it is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from built_models import built
from decoder_passes import decoder_passes
from tolerances import FUNCTION, bounds, sums_of
from zoo import ZOO, Inputs

from lens_models.deviation import logit_tolerance
from lens_models.forced_run import STEP_BY_STEP, run_forced
from lens_models.shadowing import shadowed
from lens_models.shared_prefix import SharedPrefix, prefix_problem

REFUSED = {"mllama": "share no beginning", "paligemma": "what stands in it depends on what follows"}
PER_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "cross_attention_mask")


def prompts(family: str, dtype: torch.dtype = torch.float32) -> tuple[Inputs, Inputs, Inputs]:
    """A question about a picture, one about another, and another about the first; the zoo puts pictures first."""
    specimen = ZOO[family]
    first, other, again = (specimen.inputs((length,), dtype, seed) for length, seed in ((5, 1), (6, 3), (9, 2)))
    again = {name: value if name in PER_TOKEN else first[name] for name, value in again.items()}
    return first, other, again


def shared_tokens(first: Inputs, again: Inputs) -> int:
    same = first["input_ids"][0] == again["input_ids"][0, : first["input_ids"].shape[1]]
    return int((~same).nonzero()[0])


def allowed(model: Any, logits: torch.Tensor) -> float:
    scale = float(logits.max() - logits.min())
    if model.dtype == torch.float32:
        return bounds(torch.float32, sums_of(model, 64), FUNCTION, scale=scale)["atol"]
    return logit_tolerance(model.dtype, 4) * scale


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("family", sorted(ZOO))
def test_logits_are_those_of_a_whole_pass_or_the_family_is_refused(family: str, dtype: torch.dtype) -> None:
    model, (first, other, again) = built(family, dtype), prompts(family, dtype)
    problem = prefix_problem(model, (first, other, again))
    if family in REFUSED:
        assert problem is not None and REFUSED[family] in problem
        return
    assert problem is None
    given = torch.tensor([[11, 12, 13]])
    whole = {
        name: run_forced(model, each, given, way=STEP_BY_STEP).logits.float()
        for name, each in (("first", first), ("other", other), ("again", again))
    }
    prefix = SharedPrefix(model)
    length, common = again["input_ids"].shape[1], shared_tokens(first, again)
    for name, each, begun in (("first", first, 0), ("again", again, common), ("other", other, 0), ("first", first, 0)):
        with decoder_passes(model) as passes, prefix.shared(each, {}) as inputs:
            found = run_forced(model, inputs, given, way=STEP_BY_STEP).logits.float()
        assert passes == [(1, each["input_ids"].shape[1] - begun), (1, 1), (1, 1)], name
        atol = allowed(model, whole[name]) if begun else 0
        torch.testing.assert_close(found, whole[name], atol=atol, rtol=0)
    assert prefix.reused == common
    assert prefix.computed == 2 * first["input_ids"].shape[1] + other["input_ids"].shape[1] + length - common
    assert torch.equal(run_forced(model, again, given, way=STEP_BY_STEP).logits.float(), whole["again"]), "left behind"


def asked(prefix: SharedPrefix, model: Any, inputs: Inputs, **arguments: Any) -> bool:
    """Whether a prompt goes on from the one before."""
    before = prefix.reused
    with torch.no_grad(), prefix.shared(inputs, arguments) as given:
        model.generate(**given, max_new_tokens=2, do_sample=False, **arguments)
    return prefix.reused > before


def test_another_picture_is_another_beginning() -> None:
    model, (first, _, again) = built("llava"), prompts("llava")
    changed = {**again, "pixel_values": again["pixel_values"].clone()}
    changed["pixel_values"].view(-1)[-1] += 0.5
    prefix = SharedPrefix(model)
    assert [asked(prefix, model, each) for each in (first, changed, again, first)] == [False, False, False, True]


def test_a_question_in_front_of_its_picture_shares_nothing() -> None:
    model, (first, _, again) = built("llava"), prompts("llava")
    turned = {**again, "input_ids": again["input_ids"].roll(4, dims=1)}
    prefix = SharedPrefix(model)
    assert [asked(prefix, model, each) for each in (first, turned, turned)] == [False, False, True]


def test_a_prompt_with_a_video_is_not_proven_and_runs_whole() -> None:
    model, (first, _, again) = built("qwen2_vl"), prompts("qwen2_vl")
    prefix = SharedPrefix(model)
    assert [asked(prefix, model, each) for each in (first, again)] == [False, True]
    prefix._others = first["input_ids"][0, :1]  # stands for a video's
    assert not asked(prefix, model, first)


def test_batches_beams_and_runs_without_keys_and_values_run_as_they_are() -> None:
    model, (first, _, again) = built("llava"), prompts("llava")
    prefix = SharedPrefix(model)
    assert not asked(prefix, model, first)
    assert not asked(prefix, model, ZOO["llava"].inputs((5, 5)))
    assert not asked(prefix, model, again, num_beams=2)
    assert not asked(prefix, model, again, use_cache=False)
    padded = ZOO["llava"].inputs((5, 9))
    assert not asked(prefix, model, {name: value[:1] for name, value in padded.items()})
    assert asked(prefix, model, again), "the first prompt is still the one before"
    with shadowed(model.generation_config, num_beams=2):
        assert not asked(prefix, model, first)


def test_a_run_that_failed_leaves_nothing_to_go_on_from() -> None:
    model, (first, _, again) = built("llava"), prompts("llava")
    prefix = SharedPrefix(model)
    assert not asked(prefix, model, first)
    with pytest.raises(MemoryError), prefix.shared(again, {}):
        raise MemoryError
    assert not asked(prefix, model, again)


def test_keys_that_left_a_sliding_window_are_not_gone_on_from() -> None:
    model, (first, _, again) = ZOO["gemma3"].build(sliding_window=4), prompts("gemma3")
    whole = model.generate(**again, max_new_tokens=4, do_sample=False)
    prefix = SharedPrefix(model)
    assert not asked(prefix, model, first)
    with torch.no_grad(), prefix.shared(again, {}) as given:
        assert torch.equal(model.generate(**given, max_new_tokens=4, do_sample=False), whole)
    assert prefix.reused == 0
