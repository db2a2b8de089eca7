"""The readout is the model's own computation: at the last layer, at every layer, at every step and row."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from built_models import built
from close_readouts import logit_bounds
from torch import Tensor
from zoo import ZOO, Inputs, Specimen, layer_list

from lens_models import LensSettings, LogitLens, find_parts, prove_identity
from lens_models.comparison import compare_logits
from lens_models.probes import Positions, ResidualCapture
from lens_models.unembed import Unembedding

DTYPES = [torch.float32, torch.bfloat16]
BATCHES = [(6,), (3, 6, 5)]


def assert_same_logits(unembed: Unembedding, residual: Tensor, theirs: Tensor) -> None:
    """The readout is what the model made of the same residual."""
    torch.testing.assert_close(unembed(residual), theirs.float(), **logit_bounds(unembed, residual))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_last_layer_is_the_models_logits(specimen: Specimen, dtype: torch.dtype) -> None:
    model = built(specimen.model_type, dtype)
    for lengths in BATCHES:
        inputs = specimen.inputs(lengths, dtype)
        unembed, report = prove_identity(model, find_parts(model), inputs)
        with torch.no_grad(), ResidualCapture(unembed.parts) as trace:
            logits = model(**inputs).logits[:, -1]
        assert report.exact
        assert compare_logits(unembed(trace.steps[0][-1]), logits).exact
        if dtype == torch.float32:
            assert_same_logits(unembed, trace.steps[0][-1], logits)


GENERATION: dict[str, dict[str, Any]] = {
    "greedy": {"do_sample": False},
    "sampled": {"do_sample": True, "temperature": 1.5, "top_k": 40},
    "beams": {"do_sample": False, "num_beams": 3},
    "sampled beams": {"do_sample": True, "num_beams": 2},
    "no cache": {"do_sample": False, "use_cache": False},
}


@pytest.mark.parametrize(
    ("how", "dtype"), [*((how, torch.float32) for how in GENERATION), ("greedy", torch.bfloat16)], ids=str
)
def test_every_step_and_row_of_a_generation(specimen: Specimen, how: str, dtype: torch.dtype) -> None:
    model = built(specimen.model_type, dtype)
    inputs = specimen.inputs((3, 6, 5), dtype)
    lens = LogitLens(model, specimen.inputs((6,), dtype))
    kwargs = {**GENERATION[how], "max_new_tokens": 4, "output_logits": True, "return_dict_in_generate": True}

    torch.manual_seed(7)
    plain = model.generate(**inputs, **kwargs)
    torch.manual_seed(7)
    traced = lens.generate(inputs, **kwargs)

    assert torch.equal(traced.sequences, plain.sequences)
    assert [list(row) for row in traced.new_tokens] == plain.sequences[:, inputs["input_ids"].shape[1] :].tolist()
    assert traced.trace.n_steps == 4
    assert lens.check(traced).exact
    for step in range(4):
        for sample in range(3):
            ours = lens._exact(traced.residual(sample, step)[-1])
            theirs = plain.logits[step][traced.row(sample, step)]
            report = compare_logits(ours[None], theirs[None], dtype=dtype)
            assert report.exact, (step, sample, report)


@torch.no_grad()
def truncated_logits(model: Any, layers_path: str, n_layers: int, inputs: Inputs) -> Tensor:
    """The model's own logits `[rows, V]` when it has only its first blocks: the lens by definition."""
    full = layer_list(model, layers_path)
    parent_path, _, name = layers_path.rpartition(".")
    parent = model.get_submodule(parent_path)
    stop = getattr(parent.config, "num_hidden_layers", None)
    setattr(parent, name, full[:n_layers])
    parent.config.num_hidden_layers = n_layers
    try:
        logits: Tensor = model(**inputs, use_cache=False).logits[:, -1]
        return logits
    finally:
        setattr(parent, name, full)
        parent.config.num_hidden_layers = stop


# attention over padding is NaN in float64, so the padded batch runs in float32
@pytest.mark.parametrize(("dtype", "lengths"), [(torch.float64, (6, 6)), (torch.float32, (3, 6, 5))], ids=str)
def test_every_layer_is_the_model_cut_off_there(
    specimen: Specimen, dtype: torch.dtype, lengths: tuple[int, ...]
) -> None:
    model = specimen.build(dtype)
    inputs = specimen.inputs(lengths, dtype)
    unembed, _ = prove_identity(model, find_parts(model), inputs)
    with torch.no_grad(), ResidualCapture(unembed.parts) as trace:
        model(**inputs)
    n_layers = len(layer_list(model, specimen.layers_path))
    assert trace.layer_index == tuple(range(1, n_layers + 1))
    for layer in trace.layer_index:
        theirs = truncated_logits(model, specimen.layers_path, layer, inputs)
        assert_same_logits(unembed, trace.steps[0][layer - 1], theirs)


def test_every_layer_agrees_with_output_hidden_states(specimen: Specimen) -> None:
    model = built(specimen.model_type)
    inputs = specimen.inputs((3, 6, 5))
    parts = find_parts(model)
    every = range(parts.n_layers + 1)
    with torch.no_grad(), ResidualCapture(parts, layer_index=every) as trace:
        hidden = model(**inputs, output_hidden_states=True).hidden_states
    # the last entry of hidden_states is normed already, so the last block's own output is not among them
    for layer in range(1, parts.n_layers):
        assert torch.equal(trace.steps[0][layer], hidden[layer][:, -1])
    assert torch.equal(trace.steps[0][0], hidden[0][:, -1])


def test_layer_zero_is_the_embedding_of_the_token(llava: Specimen) -> None:
    model = built("llava")
    inputs = llava.inputs((3, 6, 5))
    lens = LogitLens(model, llava.inputs(), LensSettings(layers=(0, 2)))
    assert lens.layer_index == (0, 2, 4)
    generation = lens.generate(inputs, max_new_tokens=2, do_sample=False)
    embedding = model.get_input_embeddings()
    assert torch.equal(generation.trace.steps[0][0], embedding(inputs["input_ids"][:, -1]))
    first = torch.tensor([tokens[0] for tokens in generation.new_tokens])
    assert torch.equal(generation.trace.steps[1][0], embedding(first))


def test_a_layer_subset_keeps_the_same_rows(specimen: Specimen) -> None:
    model = built(specimen.model_type)
    parts = find_parts(model)
    with torch.no_grad(), ResidualCapture(parts, layer_index=(0, 2)) as some, ResidualCapture(parts) as every:
        model(**specimen.inputs((3, 6)))
    assert some.layer_index == (0, 2, parts.n_layers)
    assert torch.equal(some.steps[0][1], every.steps[0][1])
    assert torch.equal(some.steps[0][2], every.steps[0][-1])


def test_chosen_positions(specimen: Specimen) -> None:
    model = built(specimen.model_type)
    inputs = specimen.inputs((3, 6, 5))
    length = inputs["input_ids"].shape[1]
    positions = torch.tensor([[length - 3, length - 1], [length - 6, length - 2], [length - 1, length - 5]])
    unembed, _ = prove_identity(model, find_parts(model), inputs)
    with torch.no_grad(), ResidualCapture(unembed.parts, positions=Positions(positions)) as trace:
        logits = model(**inputs).logits
    wanted = torch.stack([logits[row, chosen] for row, chosen in enumerate(positions)])
    assert trace.steps[0].shape == (unembed.parts.n_layers, 3, 2, 32)
    assert_same_logits(unembed, trace.steps[0][-1], wanted)
    assert trace.first_logits is not None
    assert trace.first_logits.shape == wanted.shape


def test_mllama_without_an_image_skips_layers_and_repeats_the_stream() -> None:
    specimen = ZOO["mllama"]
    model = specimen.build(torch.float64)
    text = {name: value for name, value in specimen.inputs((6, 6)).items() if name in ("input_ids", "attention_mask")}
    text["input_ids"] = text["input_ids"].clamp_max(149)
    unembed, _ = prove_identity(model, find_parts(model), specimen.inputs((6,), torch.float64))
    with torch.no_grad(), ResidualCapture(unembed.parts) as trace:
        logits = model(**text).logits[:, -1]
    step = trace.steps[0]
    for skipped in (1, 3):  # zero-based: blocks 2 and 4 attend to the image
        assert torch.equal(step[skipped], step[skipped - 1])
    assert_same_logits(unembed, step[-1], logits)
    for layer in range(1, 6):
        theirs = truncated_logits(model, specimen.layers_path, layer, text)
        assert_same_logits(unembed, step[layer - 1], theirs)
