"""Probes observe, interventions change, lenses translate: their protocols on tiny models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from built_models import built
from close_readouts import logit_bounds
from scipy.stats import entropy
from torch import Tensor
from zoo import ZOO, Specimen

from lens_models import IdentityError, LensArgumentError, LensSettings, LogitLens, ModelParts, ReadoutRow
from lens_models.interventions import NoIntervention
from lens_models.lenses import LENSES
from lens_models.probes import PROBES, Answered, Arrays, Batch, ProvenLens, ResidualCapture, Step

N = 5
GREEDY: dict[str, Any] = {"max_new_tokens": N, "do_sample": False}


def entropies(lens: LogitLens, inputs: Any, **settings: Any) -> list[Any]:
    traced = lens.generate(inputs, **settings)
    (probe,) = traced.probes
    rows = [[traced.row(sample, step) for step in range(N)] for sample in range(len(traced.new_tokens))]
    return [probe.result(Answered(sample, own))["entropy"] for sample, own in enumerate(rows)]


@pytest.mark.parametrize("model_type", ["llava", "gemma3", "qwen2_vl"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_step_entropy_is_that_of_the_models_own_distribution(model_type: str, dtype: torch.dtype) -> None:
    specimen, model = ZOO[model_type], built(model_type, dtype)
    inputs = {
        name: value.to(dtype) if value.is_floating_point() else value for name, value in specimen.inputs((3, 6)).items()
    }
    lens = LogitLens(model, inputs, LensSettings(probes=("step_entropy",)))
    theirs = model.generate(**inputs, **GREEDY, output_logits=True, return_dict_in_generate=True)
    for sample, found in enumerate(entropies(lens, inputs, **GREEDY)):
        logits = torch.stack([step[sample] for step in theirs.logits]).double()
        expected = entropy(torch.softmax(logits, -1).numpy(), axis=-1)
        assert found.shape == (N,) and found.dtype == np.float32
        # the logits are the same numbers; a softmax over the vocabulary in fp32 is what differs
        np.testing.assert_allclose(found, expected, rtol=0, atol=64 * logits.shape[-1] ** 0.5 * 2.0**-24)


def test_a_probe_changes_no_token_and_follows_beams(llava: Specimen) -> None:
    model, inputs = built("llava"), llava.inputs((3, 6))
    lens = LogitLens(model, llava.inputs(), LensSettings(probes=("step_entropy",)))
    settings = {**GREEDY, "num_beams": 3}
    theirs = model.generate(**inputs, **settings, output_logits=True, return_dict_in_generate=True)
    traced = lens.generate(inputs, **settings)
    assert torch.equal(traced.sequences, theirs.sequences)
    for sample in range(2):
        rows = [traced.row(sample, step) for step in range(N)]
        expected = [entropy(torch.softmax(theirs.logits[step][row].double(), -1)) for step, row in enumerate(rows)]
        np.testing.assert_allclose(
            traced.probes[0].result(Answered(sample, rows))["entropy"], expected, rtol=0, atol=1e-4
        )


def test_the_residual_of_a_sample_is_the_first_probes_result(llava: Specimen) -> None:
    lens = LogitLens(built("llava"), llava.inputs())
    capture = ResidualCapture(lens.parts)
    with capture as trace:
        built("llava").generate(**llava.inputs((3, 6)), **GREEDY)
    found = capture.result(Answered(1, [1] * N))
    assert list(found) == list(range(N))
    assert all(torch.equal(found[step], trace.steps[step][:, 1]) for step in found)


def test_unknown_probes_and_lenses_are_refused_with_the_known_ones(llava: Specimen) -> None:
    with pytest.raises(
        LensArgumentError, match="probes=entropi; expected some of step_entropy, image_tokens, attention"
    ):
        LensSettings(probes=("entropi",))
    with pytest.raises(
        LensArgumentError, match=r"'tunned': neither a folder nor one of logit, tuned, jacobian; .* Did you mean tuned"
    ):
        LensSettings(lens="tunned")


class Steps:
    """A probe that counts the passes."""

    name = "steps"

    def __init__(self, lens: ProvenLens, batch: Batch) -> None:
        self.count = 0

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        yield

    def on_step(self, step: Step) -> None:
        assert step.index == self.count
        self.count += 1

    def result(self, answered: Answered) -> Arrays:
        return {"count": np.array([self.count], dtype=np.float32)}


def test_a_new_probe_is_one_line_of_registration(llava: Specimen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROBES, Steps.name, Steps)
    lens = LogitLens(built("llava"), llava.inputs(), LensSettings(probes=("steps", "step_entropy")))
    traced = lens.generate(llava.inputs(), **GREEDY)
    assert traced.probes[0].result(Answered(0, [0] * N))["count"] == [N]
    assert [probe.name for probe in traced.probes] == ["steps", "step_entropy"]


@dataclass(frozen=True)
class Shift:
    """Adds a constant to the output of the first layer."""

    strength: float
    name: str = "shift"

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        def shift(module: Any, args: Any, output: Any) -> Any:
            hidden, *rest = output if isinstance(output, tuple) else (output,)
            changed = hidden + self.strength
            return (changed, *rest) if isinstance(output, tuple) else changed

        handle = parts.layers[0].register_forward_hook(shift)
        try:
            yield
        finally:
            handle.remove()


def test_an_intervention_changes_what_is_observed_and_strength_0_is_the_plain_run(llava: Specimen) -> None:
    lens = LogitLens(built("llava"), llava.inputs())
    plain = lens.generate(llava.inputs(), **GREEDY)
    for nothing in (NoIntervention(), Shift(0.0)):
        same = lens.generate(llava.inputs(), interventions=[nothing], **GREEDY)
        assert torch.equal(same.sequences, plain.sequences)
        assert all(torch.equal(a, b) for a, b in zip(same.trace.steps, plain.trace.steps, strict=True))
    shifted = lens.generate(llava.inputs(), interventions=[Shift(3.0)], **GREEDY)
    torch.testing.assert_close(shifted.trace.steps[0][0], plain.trace.steps[0][0] + 3.0)
    again = lens.generate(llava.inputs(), **GREEDY)
    assert torch.equal(again.trace.steps[0], plain.trace.steps[0]), "its hooks are gone"


def halved(residual: Tensor, layer_index: Sequence[int]) -> Tensor:
    """A lens that halves every layer but the last."""
    factors = torch.full((len(layer_index),), 0.5)
    factors[-1] = 1.0
    return residual * factors.reshape(-1, *[1] * (residual.dim() - 1)).to(residual)


def test_a_lens_translates_all_layers_but_the_last(llava: Specimen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LENSES, "halved", lambda parts: halved)
    plain = LogitLens(built("llava"), llava.inputs(), LensSettings(norm="none"))
    lens = LogitLens(built("llava"), llava.inputs(), LensSettings(norm="none", lens="halved"))
    residual = lens.generate(llava.inputs(), **GREEDY).residual(0, 0)
    bounds = logit_bounds(plain.unembedding, residual)
    torch.testing.assert_close(lens.logits(residual)[:-1], plain.logits(residual)[:-1] / 2, **bounds)
    (found,), (expected,) = (each.read([ReadoutRow(residual, 3)]) for each in (lens, plain))
    np.testing.assert_allclose(found.logprob_pred[-1], expected.logprob_pred[-1])
    assert np.abs(found.entropy[:-1] - expected.entropy[:-1]).min() > 1e-6


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda residual, layers: residual * 2, "changes the last layer"),
        (lambda residual, layers: residual.double(), "expected the same shape and dtype"),
        (lambda residual, layers: residual[:1], "expected the same shape and dtype"),
    ],
)
def test_a_lens_that_spoils_the_last_layer_is_refused(
    llava: Specimen, monkeypatch: pytest.MonkeyPatch, wrong: Any, words: str
) -> None:
    monkeypatch.setitem(LENSES, "wrong", lambda parts: wrong)
    with pytest.raises(IdentityError, match=f"the lens 'wrong' .*{words}"):
        LogitLens(built("llava"), llava.inputs(), LensSettings(lens="wrong"))
