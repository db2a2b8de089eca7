"""`lens_probes=every_token`: each generated token, read as the model cut off after each layer would have said it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from built_models import built
from tolerances import FUNCTION, bounds, sums_of
from zoo import ZOO, Specimen

from lens_models import IdentityError, LensSettings, LogitLens
from lens_models.probes import Answered, Arrays, EveryToken
from lens_models.probes.kept_steps import KeptSteps

N = 4
GREEDY: dict[str, Any] = {"max_new_tokens": N, "do_sample": False}
SETTINGS = LensSettings(probes=("every_token",))


def read(traced: Any, sample: int) -> Arrays:
    rows = [traced.row(sample, step) for step in range(N)]
    (probe,) = traced.probes
    found: Arrays = probe.result(Answered(sample, rows, tokens=traced.new_tokens[sample][:N]))
    return found


def by_hidden_states(specimen: Specimen, model: Any, lens: LogitLens, inputs: Any, given: Any) -> Any:
    """float64 `[steps, layers, vocabulary]`: log-probabilities by `output_hidden_states` of one pass over all."""
    more = {name: inputs[name] for name in inputs if name not in ("input_ids", "attention_mask")}
    for name in ("token_type_ids", "mm_token_type_ids"):
        if name in more:
            more[name] = torch.cat([more[name], torch.zeros(1, N, dtype=torch.long)], dim=1)
    ids = torch.cat([inputs["input_ids"], torch.tensor([list(given)])], dim=1)
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True, **more)
        states = torch.stack(out.hidden_states[1:-1])[:, 0, -N - 1 : -1]
        early = lens.transform(lens.parts.head(lens.parts.norm(states)).float().clone())
    logits = torch.cat([early, out.logits[:, -N - 1 : -1].float()]).double()
    return torch.log_softmax(logits, -1).transpose(0, 1).numpy(), float(logits.abs().max())


@pytest.mark.parametrize("model_type", ["llava", "gemma3", "qwen2_vl"])
def test_every_token_is_read_as_its_hidden_states_say(model_type: str) -> None:
    specimen, model = ZOO[model_type], built(model_type)
    inputs = specimen.inputs((6,))
    lens = LogitLens(model, inputs, SETTINGS)
    traced = lens.generate(inputs, **GREEDY)
    assert torch.equal(traced.sequences, model.generate(**inputs, **GREEDY))
    found, given = read(traced, 0), traced.new_tokens[0][:N]
    assert found["given"].tolist() == list(given)
    assert found["step"].tolist() == list(range(N))
    assert found["layers"].tolist() == list(lens.layer_index)
    expected, scale = by_hidden_states(specimen, model, lens, inputs, given)
    near = bounds(torch.float32, sums_of(model, 64), expected.shape[-1], FUNCTION, scale=scale)
    own = np.stack([expected[step, :, token] for step, token in enumerate(given)])
    np.testing.assert_allclose(found["logprob"], own, **near)
    np.testing.assert_allclose(found["top logprob"], expected.max(-1), **near)
    np.testing.assert_allclose(found["entropy"], -(np.exp(expected) * expected).sum(-1), **near)
    tops = np.take_along_axis(expected, found["top"].astype(int)[..., None], -1)[..., 0]
    np.testing.assert_allclose(tops, expected.max(-1), **near)
    ahead = expected - own[..., None]
    allowed = near["atol"] + near["rtol"] * scale
    assert (found["rank"] >= 1 + (ahead > allowed).sum(-1)).all()
    assert (found["rank"] <= 1 + (ahead > -allowed).sum(-1)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("settings", [GREEDY, {**GREEDY, "num_beams": 3}], ids=["greedy", "beams"])
def test_rows_of_a_batch_are_those_of_the_trace(dtype: torch.dtype, settings: dict[str, Any]) -> None:
    """In padded batches and with beams each step is the residual that the lens itself keeps of it."""
    specimen, model = ZOO["llava"], built("llava", dtype)
    inputs = specimen.inputs((3, 6), dtype)
    lens = LogitLens(model, specimen.inputs(dtype=dtype), SETTINGS)
    traced = lens.generate(inputs, **settings)
    assert torch.equal(traced.sequences, model.generate(**inputs, **settings))
    for sample in range(2):
        found = read(traced, sample)
        for step, token in enumerate(traced.new_tokens[sample][:N]):
            logits = lens.logits(traced.residual(sample, step)).double()
            own = torch.log_softmax(logits, -1)[:, token]
            near = bounds(torch.float32, logits.shape[-1], 64, FUNCTION, scale=float(logits.abs().max()))
            np.testing.assert_allclose(found["logprob"][step], own, **near)
        assert (found["identity"] <= lens.identity.tolerance + 1e-2).all()


def test_a_readout_that_is_wrong_at_a_later_step_is_refused(llava: Specimen, monkeypatch: pytest.MonkeyPatch) -> None:
    model = built("llava")
    lens = LogitLens(model, llava.inputs(), SETTINGS)
    deviations, asked = lens.deviations, []

    def off(residual: torch.Tensor, head_output: torch.Tensor) -> Any:
        asked.append(len(asked))
        return deviations(residual * (1.0 if len(asked) < 3 else -1.0), head_output)

    monkeypatch.setattr(lens, "deviations", off)
    traced = lens.generate(llava.inputs(), **GREEDY)
    with pytest.raises(IdentityError, match=r"the readout of step 2 is off by .* of the logit range \(allowed"):
        read(traced, 0)
    assert asked == [0, 1, 2, 3]


def test_one_row_s_nan_is_not_another_row_s(llava: Specimen) -> None:
    lens = LogitLens(built("llava"), llava.inputs(), SETTINGS)
    traced = lens.generate(llava.inputs((3, 6)), **GREEDY)
    (probe,) = traced.probes
    assert isinstance(probe, EveryToken)
    broken = probe._deviations[1]
    probe._deviations[1] = replace(broken, share=torch.tensor([float("inf"), float(broken.share[1])]))
    assert read(traced, 1)["identity"].shape == (N,)
    with pytest.raises(IdentityError, match="step 1"):
        read(traced, 0)


def test_steps_that_were_let_go_are_absent_and_the_others_numbered(llava: Specimen) -> None:
    lens = LogitLens(built("llava"), llava.inputs(), SETTINGS)
    whole = read(lens.generate(llava.inputs(), **GREEDY), 0)
    probe = EveryToken(lens, lens_batch(llava))
    size = len(lens.layer_index) * lens.parts.hidden_size * 4
    probe._residuals._kept = KeptSteps(2 * size, probe._residuals.trace.steps)
    from lens_models.probes import observed

    with observed(lens.parts, [probe]):
        out = lens.model.generate(**llava.inputs(), **GREEDY)
    found = probe.result(Answered(0, [0] * N, tokens=out[0, -N:].tolist()))
    assert found["step"].tolist() == [0, N - 1]
    own = whole["logprob"][[0, N - 1]]
    sums, vocabulary = sums_of(lens.model, 64), lens.model.get_output_embeddings().out_features
    near = bounds(torch.float32, sums, vocabulary, FUNCTION, scale=float(np.abs(own).max()))
    np.testing.assert_allclose(found["logprob"], own, **near)  # fewer rows at once: other orders of summation


def lens_batch(llava: Specimen) -> Any:
    from lens_models.probes import Batch

    return Batch(llava.inputs())


def test_a_head_that_cannot_be_read_beside_the_run_is_refused_with_the_reason(llava: Specimen) -> None:
    model = llava.build()
    lens = LogitLens(model, llava.inputs(), SETTINGS)
    assert lens.refused_probes == {}

    class Wrapped(torch.nn.Linear):
        """A head that is more than a weight."""

    head = model.lm_head
    wrapped = Wrapped(head.in_features, head.out_features, bias=False)
    wrapped.weight = head.weight
    model.lm_head = wrapped
    refused = LogitLens(model, llava.inputs(), SETTINGS).refused_probes
    assert refused == {"every_token": "the head, 'lm_head', is quantised, sharded, adapted or offloaded"}
