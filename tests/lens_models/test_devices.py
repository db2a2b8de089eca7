"""Layers, norm and head that accelerate moves about. A machine without a GPU can show the hooks, not the transfers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import cpu_offload, dispatch_model
from accelerate.hooks import AlignDevicesHook, SequentialHook, remove_hook_from_submodules
from built_models import built
from close_readouts import assert_same_readout
from tolerances import sums_of
from torch import nn
from zoo import Specimen

from lens_models import (
    LogitLens,
    PartsError,
    Readout,
    ReadoutRow,
    example_inputs,
    find_parts,
    load_model,
    prove_identity,
)
from lens_models.continuations import score_continuations
from lens_models.forced_run import ONE_PASS
from lens_models.placement import compute_device
from lens_models.probes import ResidualCapture


def read(lens: LogitLens, inputs: Any) -> tuple[torch.Tensor, list[Readout]]:
    generation = lens.generate(inputs, max_new_tokens=3, do_sample=False)
    assert lens.check(generation).exact
    assert lens.forcing.way == ONE_PASS, lens.forcing.reason
    one = {name: value[:1] for name, value in inputs.items()}
    (scored,) = score_continuations(lens.forcing, one, [generation.new_tokens[0]], lens=lens)
    assert lens.compare(scored.residual[-1:], scored.first_logits.unsqueeze(0)).exact
    rows = [ReadoutRow(generation.residual(sample, 1), generation.new_tokens[sample][1]) for sample in range(2)]
    return generation.sequences, lens.read(rows)


def assert_same(got: list[Readout], expected: list[Readout], inputs: Any) -> None:
    """Weights in other places of memory are added up in other blocks."""
    for ours, theirs in zip(got, expected, strict=True):
        assert_same_readout(ours, theirs, sums_of(built("llava"), inputs["input_ids"].shape[1]))


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
    assert_same(got, expected, inputs)


def test_an_offloaded_model_gives_the_same(llava: Specimen) -> None:
    inputs = llava.inputs((3, 6))
    sequences, expected = read(LogitLens(built("llava"), llava.inputs()), inputs)
    model = llava.build()
    cpu_offload(model, execution_device=torch.device("cpu"))
    assert find_parts(model).head.weight.device.type == "meta"
    got_sequences, got = read(LogitLens(model, llava.inputs()), inputs)
    remove_hook_from_submodules(model)
    assert torch.equal(got_sequences, sequences)
    assert_same(got, expected, inputs)


OFFLOADED = {
    "two layers": ["model.language_model.layers.1", "model.language_model.layers.3"],
    "the final norm": ["model.language_model.norm"],
    "the head": ["lm_head"],
    "everything": [],
}


@pytest.mark.parametrize("what", OFFLOADED)
def test_parts_on_disk_are_read_through_their_hooks(llava: Specimen, what: str, tmp_path: Path) -> None:
    inputs = llava.inputs((3, 6))
    sequences, expected = read(LogitLens(built("llava"), llava.inputs()), inputs)
    model = llava.build()
    device_map = split(model)
    device_map |= dict.fromkeys(OFFLOADED[what] or device_map, "disk")
    dispatch_model(model, device_map=device_map, main_device="cpu", offload_dir=tmp_path, force_hooks=True)
    for name, place in device_map.items():
        parameters = list(model.get_submodule(name).parameters())
        assert all((parameter.device.type == "meta") == (place == "disk") for parameter in parameters)
    got_sequences, got = read(LogitLens(model, llava.inputs()), inputs)
    assert torch.equal(got_sequences, sequences)
    assert_same(got, expected, inputs)


@pytest.mark.parametrize("part", ["lm_head", "model.language_model.norm", "model.language_model.layers.2"])
def test_a_part_without_weights_is_refused(llava: Specimen, part: str) -> None:
    model = llava.build()
    model.get_submodule(part).to("meta")
    name = {"lm_head": "the head", "model.language_model.norm": "the final norm"}.get(part, "layer 3")
    with pytest.raises(
        PartsError, match=f"^{name} of LlavaForConditionalGeneration has no weights: .* 'meta', and not"
    ):
        prove_identity(model, find_parts(model), llava.inputs())


def test_an_offloaded_part_computes_where_its_hook_says() -> None:
    head = nn.Linear(4, 4)
    assert compute_device(head) == torch.device("cpu")
    head.to("meta")
    assert compute_device(head) == torch.device("cpu")
    hook = AlignDevicesHook(execution_device=torch.device("cuda:1"), offload=True)
    head._hf_hook = hook
    assert compute_device(head) == torch.device("cuda:1")
    head._hf_hook = SequentialHook(AlignDevicesHook(io_same_device=True), hook)
    assert compute_device(head) == torch.device("cuda:1")
    assert compute_device(nn.Identity(), torch.device("cuda:2")) == torch.device("cuda:2")


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


def test_a_checkpoint_is_read_with_layers_on_disk() -> None:
    plain = find_parts(load_model(device="cpu").model)
    text = plain.decoder_path.rpartition(".")[0]
    tops = ["model.visual", f"{text}.embed_tokens", f"{text}.norm", f"{text}.rotary_emb", "lm_head"]
    places = dict.fromkeys([*tops, *(f"{plain.decoder_path}.{n}" for n in range(plain.n_layers))], "cpu")
    loaded = load_model(device_map=places | {f"{plain.decoder_path}.2": "disk"})
    layers = find_parts(loaded.model).layers
    assert [next(layer.parameters()).device.type for layer in layers[1:4]] == ["cpu", "meta", "cpu"]
    assert LogitLens(loaded.model, example_inputs(loaded.processor)).identity.exact
