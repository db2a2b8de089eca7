"""Layers, norm and head that accelerate moves about. A machine without a GPU can show the hooks, not the transfers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from accelerate import cpu_offload, dispatch_model
from accelerate.hooks import remove_hook_from_submodules
from built_models import built
from zoo import Specimen

from lens_models import LogitLens, ReadoutRow, find_parts
from lens_models.capture import ResidualCapture


def read(lens: LogitLens, inputs: Any) -> tuple[torch.Tensor, Any]:
    generation = lens.generate(inputs, max_new_tokens=3, do_sample=False)
    assert lens.check(generation).exact
    rows = [ReadoutRow(generation.residual(sample, 1), generation.new_tokens[sample][1]) for sample in range(2)]
    return generation.sequences, lens.read(rows)


def split(model: Any) -> dict[str, str]:
    tops = ["model.vision_tower", "model.multi_modal_projector", "model.language_model.embed_tokens", "lm_head"]
    tops += [f"model.language_model.layers.{n}" for n in range(4)]
    return dict.fromkeys([*tops, "model.language_model.norm", "model.language_model.rotary_emb"], "cpu")


def test_a_dispatched_model_gives_the_same(llava: Specimen) -> None:
    inputs = llava.inputs((3, 6))
    sequences, expected = read(LogitLens(built("llava"), llava.inputs()), inputs)
    model = llava.build()
    dispatch_model(model, device_map=split(model), force_hooks=True)
    assert hasattr(find_parts(model).head, "_hf_hook")
    got_sequences, got = read(LogitLens(model, llava.inputs()), inputs)
    assert torch.equal(got_sequences, sequences)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.entropy == pytest.approx(theirs.entropy, abs=1e-6)


def test_an_offloaded_model_gives_the_same(llava: Specimen) -> None:
    inputs = llava.inputs((3, 6))
    sequences, expected = read(LogitLens(built("llava"), llava.inputs()), inputs)
    model = llava.build()
    cpu_offload(model, execution_device=torch.device("cpu"))
    assert find_parts(model).head.weight.device.type == "meta"
    got_sequences, got = read(LogitLens(model, llava.inputs()), inputs)
    remove_hook_from_submodules(model)
    assert torch.equal(got_sequences, sequences)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.logprob_pred == pytest.approx(theirs.logprob_pred, abs=1e-6)


def test_layers_on_several_devices_end_up_with_the_head(llava: Specimen) -> None:
    """A tensor that claims another device per layer: the capture must ask for the head's device before it stacks."""
    parts = find_parts(built("llava"))
    moved: list[str] = []

    class Elsewhere(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.Tensor.to:
                moved.append(str(args[1]))
            return super().__torch_function__(func, types, args, kwargs or {})

    capture = ResidualCapture(parts)
    capture._pending = {n: torch.zeros(1, 32).as_subclass(Elsewhere) for n in range(5)}
    assert len(capture._filled(torch.device("cpu"))) == 4
    assert moved == ["cpu"] * 4
