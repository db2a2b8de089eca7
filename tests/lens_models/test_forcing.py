"""Given tokens get the log-probabilities that transformers' own `generate` gives them, at every layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from built_models import built
from tolerances import FUNCTION, bounds, sums_of
from torch import Tensor
from zoo import ZOO, Inputs, Specimen

from benchmarks.coverage.build import build
from benchmarks.coverage.inputs import find_inputs
from lens_models import CaptureError, Forcing, ForcingError, LogitLens, find_parts, prove_forcing
from lens_models.continuations import score_continuations
from lens_models.deviation import logit_tolerance
from lens_models.forced_run import ONE_PASS, STEP_BY_STEP, run_forced

N = 4
PADDED = (3, 6, 9)


def generated(model: Any, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Greedy tokens `[rows, N]` and the logits `[rows, N, V]` that predicted them, both from `generate` alone."""
    output = model.generate(**inputs, max_new_tokens=N, output_logits=True, return_dict_in_generate=True)
    return output.sequences[:, -N:], torch.stack(output.logits, dim=1).float()


def logprobs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Sum of the log-probabilities of `[rows, N]` tokens in `[rows, N, V]` logits."""
    logp = torch.log_softmax(logits.double(), dim=-1)
    return logp.gather(-1, tokens.unsqueeze(-1)).squeeze(-1).sum(-1)


def fp32_bounds(model: Any, logits: Tensor) -> dict[str, float]:
    """Bounds of a log-probability that one run over all tokens, or one a token, gives; prompts are below 64 tokens."""
    scale = float(logits.max() - logits.min())
    return bounds(torch.float32, sums_of(model, 64), logits.shape[-1], FUNCTION, scale=scale)


def nats_allowed(model: Any, logits: Tensor) -> float:
    """A log-probability moves by at most twice what a logit moves; N of them are added up."""
    if model.dtype == torch.float32:
        return 2 * N * fp32_bounds(model, logits)["atol"]
    return 2 * N * logit_tolerance(model.dtype, 4) * float(logits.max() - logits.min())


@pytest.mark.parametrize("lengths", [(6,), PADDED], ids=["one prompt", "padded batch"])
@pytest.mark.parametrize("way", [ONE_PASS, STEP_BY_STEP])
def test_each_family_is_forced_as_it_generates(specimen: Specimen, way: str, lengths: tuple[int, ...]) -> None:
    model, inputs = built(specimen.model_type), specimen.inputs(lengths)
    tokens, theirs = generated(model, inputs)
    ours = run_forced(model, inputs, tokens, way=way, parts=find_parts(model)).logits
    gap = (logprobs(ours, tokens) - logprobs(theirs, tokens)).abs().max()
    assert float(gap) <= nats_allowed(model, theirs)
    if way == STEP_BY_STEP:
        assert torch.equal(ours, theirs), "it is the very same computation"


@pytest.mark.parametrize("model_type", ["paligemma", "mllama", "qwen3_vl"])
@pytest.mark.parametrize("lengths", [(6,), PADDED], ids=["one prompt", "padded batch"])
def test_sixteen_bits(model_type: str, lengths: tuple[int, ...]) -> None:
    model, inputs = built(model_type, torch.bfloat16), ZOO[model_type].inputs(lengths, torch.bfloat16)
    tokens, theirs = generated(model, inputs)
    for way in (ONE_PASS, STEP_BY_STEP):
        ours = run_forced(model, inputs, tokens, way=way, parts=find_parts(model)).logits
        gap = (logprobs(ours.float(), tokens) - logprobs(theirs, tokens)).abs().max()
        assert float(gap) <= nats_allowed(model, theirs)


def test_the_way_is_proven_at_load(specimen: Specimen) -> None:
    forcing = prove_forcing(built(specimen.model_type), specimen.inputs())
    assert forcing.way is not None, forcing.reason
    assert forcing.deviation is not None and forcing.tolerance is not None
    assert forcing.deviation <= forcing.tolerance


@pytest.mark.parametrize("way", [ONE_PASS, STEP_BY_STEP])
def test_scores_at_each_layer_are_those_of_the_generation(llava: Specimen, way: str) -> None:
    model, inputs = built("llava"), llava.inputs()
    lens = LogitLens(model, inputs)
    traced = lens.generate(inputs, max_new_tokens=N)
    tokens = traced.new_tokens[0]
    forcing = Forcing(model, lens.parts, way)
    (scored,) = score_continuations(forcing, inputs, [tokens], lens=lens)
    steps = [torch.log_softmax(lens.logits(traced.residual(0, step)), -1)[:, tokens[step]] for step in range(N)]
    assert scored.n_tokens == N
    assert scored.layer_logprobs is not None and scored.residual is not None
    allowed = 2 * N * fp32_bounds(model, lens.logits(traced.residual(0, 0)))["atol"]
    torch.testing.assert_close(scored.layer_logprobs, torch.stack(steps).sum(0), atol=allowed, rtol=0)
    assert scored.logprob == pytest.approx(float(scored.layer_logprobs[-1]), abs=allowed)
    ours, theirs = scored.residual, traced.residual(0, 0)
    torch.testing.assert_close(
        ours, theirs, **bounds(torch.float32, sums_of(model, 64), scale=float(theirs.abs().max()))
    )


def test_tokens_generated_before_and_shared_beginnings(llava: Specimen) -> None:
    model, inputs = built("llava"), llava.inputs()
    forcing = prove_forcing(model, inputs)
    tokens, theirs = generated(model, inputs)
    said = tokens[0].tolist()
    other = (said[2] + 1) % 140
    wanted = [(said[2],), (said[2], said[3]), (other,), (other, said[3], said[1])]
    runs: list[int] = []
    handle = model.lm_head.register_forward_hook(lambda *_: runs.append(1))
    try:
        scored = score_continuations(forcing, inputs, wanted, before=said[:2])
    finally:
        handle.remove()
    assert len(runs) == 2, "what begins alike shares a run"
    logp = torch.log_softmax(theirs[0].double(), -1)
    allowed = nats_allowed(model, theirs)
    assert scored[0].logprob == pytest.approx(float(logp[2, said[2]]), abs=allowed)
    assert scored[1].logprob == pytest.approx(float(logp[2, said[2]] + logp[3, said[3]]), abs=allowed)
    assert scored[2].logprob == pytest.approx(float(logp[2, other]), abs=allowed)
    first = theirs[0].argmax(-1).tolist() == said  # the zoo's models may prefer a token that they are kept from saying
    assert [each.greedy for each in scored] == [first, first, False, False]


@pytest.mark.parametrize("model_type", ["llava_next", "git", "udop"])
def test_no_logits_of_other_positions_are_computed(model_type: str) -> None:
    """With `logits_to_keep` and without it, decoder-only and encoder-decoder."""
    model = build(model_type)
    inputs = find_inputs(model, model_type)
    parts = find_parts(model)
    shapes = []
    handle = parts.head.register_forward_hook(lambda head, args, output: shapes.append(tuple(output.shape[:2])))
    try:
        run_forced(model, inputs, torch.tensor([[11, 12, 13, 14, 15]]), way=ONE_PASS, keep=2, parts=parts)
    finally:
        handle.remove()
    assert shapes == [(1, 2)]


def test_a_prompt_that_sees_what_follows_is_never_forced_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """PaliGemma with a generated token in its two-way prefix, which transformers 4 does and generation does not."""
    model, inputs = ZOO["paligemma"].build(), ZOO["paligemma"].inputs()
    for dtype in (torch.float32, torch.bfloat16):
        model = model.to(dtype)
        own = {name: value.to(dtype) if value.is_floating_point() else value for name, value in inputs.items()}
        own["token_type_ids"] = torch.zeros_like(own["token_type_ids"])
        base = type(model).__mro__[1]

        def repeat_last(self: Any, outputs: Any, kwargs: Any, *args: Any, base: Any = base, **more: Any) -> Any:
            return super(base, self)._update_model_kwargs_for_generation(outputs, kwargs, *args, **more)

        monkeypatch.setattr(type(model), "_update_model_kwargs_for_generation", repeat_last)
        forcing = prove_forcing(model, own)
        assert forcing.way == STEP_BY_STEP
        assert str(forcing.reason).startswith("one pass: its logits before a token change with it, by ")
        tokens, theirs = generated(model, own)
        gap = (logprobs(forcing.run(own, tokens, N).logits.float(), tokens) - logprobs(theirs, tokens)).abs().max()
        assert float(gap) <= nats_allowed(model, theirs)


class DeafGenerate:
    """A class whose own `generate` says what it likes."""

    def __init__(self, model: Any) -> None:
        self.generate = type(model).generate.__get__(model)

    def __call__(self, **arguments: Any) -> Any:
        output = self.generate(**arguments)
        if isinstance(output, Tensor):
            output[:, -1] += 1
        return output


def test_a_model_that_does_not_take_given_tokens_is_refused_and_still_generates(llava: Specimen) -> None:
    model, inputs = llava.build(), llava.inputs()
    plain = model.generate(**inputs, max_new_tokens=3)
    model.generate = DeafGenerate(model)
    lens = LogitLens(model, inputs)
    assert lens.identity.exact and lens.forcing.way is None
    with pytest.raises(
        ForcingError,
        match=r"given tokens are not scored with LlavaForConditionalGeneration: step by step: .*did not run the model",
    ):
        score_continuations(lens.forcing, inputs, [(5, 6)], lens=lens)
    assert issubclass(ForcingError, CaptureError)
    del model.generate
    assert torch.equal(lens.generate(inputs, max_new_tokens=3).sequences, plain)


def test_a_model_that_does_not_generate_from_the_probe_is_refused(llava: Specimen) -> None:
    forcing = prove_forcing(built("llava"), {**llava.inputs(), "nonsense": torch.zeros(1)})
    assert forcing.way is None
    assert "it did not generate from the example input (ValueError: The following `model_kwargs`" in str(forcing.reason)


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(llava: Specimen, fails: bool) -> None:
    model, inputs = llava.build(), llava.inputs()
    settings = model.generation_config
    tokens = torch.tensor([[11, 12, 500_000 if fails else 13]])
    if fails:
        inputs["input_ids"] = inputs["input_ids"] + 10_000
        with pytest.raises(IndexError):
            run_forced(model, inputs, tokens, way=ONE_PASS, parts=find_parts(model))
    else:
        run_forced(model, inputs, tokens, way=ONE_PASS, parts=find_parts(model))
    assert model.generation_config is settings
    assert "forward" not in model.__dict__
    assert not model.lm_head._forward_pre_hooks


def test_settings_of_the_checkpoint_play_no_part(llava: Specimen) -> None:
    """Sampling, beams, penalties, an end token among the given ones and tokens that are never said."""
    model, inputs = llava.build(), llava.inputs()
    tokens = torch.tensor([[11, 12, 13, 14]])
    plain = run_forced(model, inputs, tokens, way=STEP_BY_STEP).logits
    model.generation_config.update(
        do_sample=True, num_beams=3, repetition_penalty=1.7, eos_token_id=12, suppress_tokens=[13], min_new_tokens=1
    )
    for way in (ONE_PASS, STEP_BY_STEP):
        forced = run_forced(model, inputs, tokens, way=way).logits
        torch.testing.assert_close(forced, plain, **fp32_bounds(model, plain))


@pytest.mark.parametrize("continuations", [[()], [(5,), ()]])
def test_a_continuation_without_tokens(llava: Specimen, continuations: Any) -> None:
    with pytest.raises(ForcingError, match="a continuation has no tokens"):
        score_continuations(Forcing(built("llava"), None, ONE_PASS), llava.inputs(), continuations)


def test_several_prompts(llava: Specimen) -> None:
    with pytest.raises(ForcingError, match="one prompt at a time, found inputs of 3 rows"):
        score_continuations(Forcing(built("llava"), None, ONE_PASS), llava.inputs(PADDED), [(5,)])
