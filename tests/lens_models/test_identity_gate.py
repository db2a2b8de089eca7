"""The gate refuses every reading that is wrong, whatever the dtype, and never one that is right."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from built_models import built
from tolerances import FUNCTION, rounding
from torch import nn
from zoo import VOCABULARY, ZOO, Specimen

from benchmarks.coverage.build import build
from benchmarks.coverage.inputs import find_inputs
from lens_models import CaptureError, IdentityError, LogitLens, ModelParts, PartsError, find_parts, prove_identity
from lens_models.comparison import compare_logits, tolerance
from lens_models.probes import ResidualCapture
from lens_models.transforms import LogitTransform, observe_transform
from lens_models.unembed import Unembedding

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


class Twice(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.norm(self.norm(hidden))


def vision_layers(model: Any) -> tuple[nn.Module, ...]:
    lists = [m for name, m in model.named_modules() if isinstance(m, nn.ModuleList) and "vi" in name and len(m) == 2]
    return tuple(lists[0])


def near_measured(expected: float, dtype: torch.dtype) -> Any:
    """A factor or cap that is found from the logits of the whole vocabulary, each rounded three times at most."""
    return pytest.approx(expected, rel=rounding(dtype, 3) + rounding(torch.float32, VOCABULARY, FUNCTION))


Fault = Callable[[Any, ModelParts], ModelParts]
FAULTS: dict[str, Fault] = {
    "norm skipped": lambda model, parts: replace(parts, norm=None),
    "norm applied twice": lambda model, parts: replace(parts, norm=Twice(parts.norm)),  # type: ignore[arg-type]
    "another norm": lambda model, parts: replace(parts, norm=parts.layers[-1].input_layernorm),  # type: ignore[arg-type]
    "last layer missing": lambda model, parts: replace(parts, layers=parts.layers[:-1]),
    "first layer missing": lambda model, parts: replace(parts, layers=parts.layers[1:]),
    "a layer missing in between": lambda model, parts: replace(parts, layers=parts.layers[:1] + parts.layers[2:]),
    "two layers in the middle exchanged": lambda model, parts: replace(
        parts, layers=(parts.layers[0], parts.layers[2], parts.layers[1], *parts.layers[3:])
    ),
    "the last two layers exchanged": lambda model, parts: replace(
        parts, layers=(*parts.layers[:-2], parts.layers[-1], parts.layers[-2])
    ),
    "layers of the vision tower": lambda model, parts: replace(parts, layers=vision_layers(model)),
    "a sublayer instead of the block": lambda model, parts: replace(
        parts,
        layers=tuple(layer.mlp for layer in parts.layers),  # type: ignore[misc]
    ),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_refused(specimen: Specimen, fault: str, dtype: torch.dtype) -> None:
    model = built(specimen.model_type, dtype)
    parts = FAULTS[fault](model, find_parts(model))
    with pytest.raises((IdentityError, CaptureError)):
        prove_identity(model, parts, specimen.inputs((6,), dtype))


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_capture_that_is_off_by_one_layer_is_refused(
    specimen: Specimen, shift: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each layer under its neighbour's number. One lower, the last entry is still right, as after a skipped layer."""
    after = ResidualCapture._after
    monkeypatch.setattr(ResidualCapture, "_after", lambda self, number: after(self, number + shift))
    model = built(specimen.model_type)
    with pytest.raises(
        CaptureError, match=r"what was kept as layer 1 of .* is not what the layer gave: a fault of the lens"
    ):
        prove_identity(model, find_parts(model), specimen.inputs((6,)))


def test_a_capture_of_what_goes_into_a_layer_is_refused(specimen: Specimen, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrong side of every block: its input in place of its output."""
    inputs: dict[nn.Module, torch.Tensor] = {}

    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        inputs[module] = args[0] if args else kwargs["hidden_states"]

    after = ResidualCapture._after
    monkeypatch.setattr(
        ResidualCapture,
        "_after",
        lambda self, number: lambda module, args, output: after(self, number)(module, args, inputs[module]),
    )
    model = built(specimen.model_type)
    parts = find_parts(model)
    handles = [layer.register_forward_pre_hook(before, with_kwargs=True) for layer in parts.layers]
    try:
        with pytest.raises(
            CaptureError, match=f"what was kept as layer 1 of {parts.model_class} is not what the layer"
        ):
            prove_identity(model, parts, specimen.inputs((6,)))
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("model_type", "wrong"),
    [
        ("paligemma", LogitTransform()),  # its class applies the cap
        ("gemma3", LogitTransform(softcap=3.0)),  # its class ignores the configured cap
        ("cohere2_vision", LogitTransform(0.25)),  # its class ignores the configured scale
    ],
)
def test_an_ignored_cap_or_scale_is_seen(model_type: str, wrong: LogitTransform, dtype: torch.dtype) -> None:
    model = built(model_type, dtype)
    parts = find_parts(model)
    with torch.no_grad(), ResidualCapture(parts) as trace:
        logits = model(**ZOO[model_type].inputs((6,), dtype)).logits[:, -1]
    assert not compare_logits(Unembedding(parts, transform=wrong)(trace.steps[0][-1]), logits).exact


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    "transform",
    [
        LogitTransform(),
        LogitTransform(softcap=30.0),
        LogitTransform(softcap=7.3),
        LogitTransform(0.0625),
        LogitTransform(13.7),
        LogitTransform(0.088388),
        LogitTransform(masked=(3, 5, 159)),
        LogitTransform(softcap=50.0, masked=(0,)),
        LogitTransform(size=150),
        LogitTransform(0.25, size=31),
    ],
    ids=str,
)
def test_what_the_class_does_to_its_logits_is_observed(
    llava: Specimen, transform: LogitTransform, dtype: torch.dtype
) -> None:
    model = _with_tail(llava, dtype, lambda z: _in_dtype(transform, z))
    found = observe_transform(model, find_parts(model), llava.inputs((6,), dtype))
    assert (found.masked, found.size) == (transform.masked, transform.size)
    assert found.scale == near_measured(transform.scale, dtype)
    assert (found.softcap or 0.0) == near_measured(transform.softcap or 0.0, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["final_logit_softcapping", "logits_scaling", "logit_scale"])
def test_a_configured_number_is_taken_exactly(llava: Specimen, name: str, dtype: torch.dtype) -> None:
    transform = {
        "final_logit_softcapping": LogitTransform(softcap=29.3),
        "logits_scaling": LogitTransform(1 / 7.7),
        "logit_scale": LogitTransform(0.0877),
    }[name]
    model = _with_tail(llava, dtype, lambda z: _in_dtype(transform, z))
    value = 7.7 if name == "logits_scaling" else transform.softcap or transform.scale
    setattr(model.config.text_config, name, value)
    assert observe_transform(model, find_parts(model), llava.inputs((6,), dtype)) == transform


def test_an_unknown_tail_is_refused(llava: Specimen) -> None:
    model = _with_tail(llava, torch.float32, torch.relu)
    with pytest.raises(IdentityError, match=r"LlavaForConditionalGeneration does something to the output of its head"):
        prove_identity(model, find_parts(model), llava.inputs())


def test_a_factor_and_a_cap_together_are_observed(llava: Specimen) -> None:
    model = _with_tail(llava, torch.float32, lambda z: _in_dtype(LogitTransform(0.19611613, 27.3), z))
    found = observe_transform(model, find_parts(model), llava.inputs())
    assert found.scale == near_measured(0.19611613, torch.float32)
    assert found.softcap == near_measured(27.3, torch.float32)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_configured_factor_and_cap_are_taken_exactly(llava: Specimen, dtype: torch.dtype) -> None:
    transform = LogitTransform(0.19611613, 20.0)
    model = _with_tail(llava, dtype, lambda z: _in_dtype(transform, z))
    model.config.text_config.output_multiplier = 0.19611613
    model.config.text_config.final_logit_softcapping = 20.0
    assert observe_transform(model, find_parts(model), llava.inputs((6,), dtype)) == transform


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_factor_on_the_heads_input_is_seen(llava: Specimen, dtype: torch.dtype) -> None:
    model = llava.build(dtype)
    model.lm_head.register_forward_pre_hook(lambda head, args: (args[0] / 5.7,))
    unembed, report = prove_identity(model, find_parts(model), llava.inputs((6,), dtype))
    assert unembed.transform.scale == near_measured(1 / 5.7, dtype)
    assert report.exact


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_norm_that_rounds_otherwise_over_a_whole_sequence_is_no_factor(llava: Specimen, dtype: torch.dtype) -> None:
    model = llava.build(dtype)
    units = torch.finfo(dtype).eps / 2

    def rounds_otherwise(norm: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        moved = output * (1 + 2 * units * (torch.arange(output.shape[-1]) % 9 == 4))
        return moved.to(dtype) if output.shape[1] > 1 else output

    model.model.language_model.norm.register_forward_hook(rounds_otherwise)
    unembed, report = prove_identity(model, find_parts(model), llava.inputs((6,), dtype))
    assert unembed.transform == LogitTransform()
    assert report.exact


def test_a_tail_that_adds_tokens_is_refused(llava: Specimen) -> None:
    model = _with_tail(llava, torch.float32, lambda z: torch.cat([z, z], -1))
    with pytest.raises(IdentityError, match=r"turns 160 outputs of its head 'lm_head' into 320 logits"):
        observe_transform(model, find_parts(model), llava.inputs())


def test_logits_widened_after_a_16_bit_head_are_not_held_to_fp32(llava: Specimen) -> None:
    model = _with_tail(llava, torch.bfloat16, torch.Tensor.float)
    _, report = prove_identity(model, find_parts(model), llava.inputs((6,), torch.bfloat16))
    assert report.dtype == "bfloat16"
    assert report.exact


def _in_dtype(transform: LogitTransform, logits: torch.Tensor) -> torch.Tensor:
    """As a model does it, each operation rounded."""
    logits = logits if transform.size is None else logits[..., : transform.size]
    if transform.scale != 1.0:
        logits = logits * transform.scale
    if transform.softcap is not None:
        logits = torch.tanh(logits / transform.softcap) * transform.softcap
    logits[..., list(transform.masked)] = torch.finfo(logits.dtype).min
    return logits


def _with_tail(specimen: Specimen, dtype: torch.dtype, tail: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    model = specimen.build(dtype)

    def change(module: nn.Module, args: Any, output: Any) -> Any:
        output.logits = tail(output.logits)
        return output

    model.register_forward_hook(change)
    return model


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("scale", [0.02, 1.0, 30.0])
def test_right_readouts_pass_and_wrong_ones_do_not_in_16_bits(
    llava: Specimen, dtype: torch.dtype, scale: float
) -> None:
    """Many seeds, small and large logits: the margin is on both sides."""
    for seed in range(4):
        model = llava.build(dtype, seed=seed)
        with torch.no_grad():
            model.lm_head.weight.mul_(scale)
        inputs = llava.inputs((3, 6, 5), dtype, seed=seed)
        parts = find_parts(model)
        _, report = prove_identity(model, parts, inputs)
        assert report.rounding < 0.5
        for fault in ("norm skipped", "norm applied twice", "last layer missing", "another norm"):
            with pytest.raises((IdentityError, CaptureError)):
                prove_identity(model, FAULTS[fault](model, parts), inputs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_logits_far_from_zero_hide_no_fault(dtype: torch.dtype) -> None:
    """At 100 ± 1 a bfloat16 logit is rounded to a half: much is allowed at the largest, little on average."""
    torch.manual_seed(0)
    exact = 100 + torch.randn(4, 5000)
    rounded = exact.to(dtype)
    assert compare_logits(exact, rounded).exact
    other = 100 + torch.randn(4, 5000)
    assert not compare_logits(other, rounded).exact


def test_the_message_of_a_refusal(llava: Specimen) -> None:
    model = built("llava")
    parts = replace(find_parts(model), norm=None)
    with pytest.raises(IdentityError) as caught:
        prove_identity(model, parts, llava.inputs())
    message = str(caught.value)
    assert re.fullmatch(
        r"the lens does not read LlavaForConditionalGeneration exactly, so it is refused\. Found: "
        r"LlavaForConditionalGeneration: 4 layers in 'model\.language_model\.layers', final norm "
        r"'model\.language_model\.norm', head 'lm_head' \(32 -> 160\), transform none\. The last layer's "
        r"readout is off by \d\.\d\de[+-]\d\d of the logit range \(allowed 1\.00e-04, float32\), first choice "
        r"(agrees|differs)\. Try "
        r"dtype=float32 to rule out rounding; if it stays, the parts found are not the ones the model uses: "
        r"docs/adding-a-model\.md shows how to name them\. lens=False runs the model without the lens\.",
        message,
    )


def test_the_message_of_a_list_that_is_too_short(llava: Specimen) -> None:
    model = built("llava")
    parts = find_parts(model)
    with pytest.raises(CaptureError) as caught:
        prove_identity(model, replace(parts, layers=parts.layers[1:]), llava.inputs())
    assert str(caught.value) == (
        "3 layers of LlavaForConditionalGeneration were found in 'model.language_model.layers', and its configuration "
        "has 4: layer numbers would be off. docs/adding-a-model.md shows how to name the list of layers; lens=False "
        "runs the model without the lens."
    )


def test_the_message_of_a_broken_chain(llava: Specimen) -> None:
    """Layers that change what they receive behind the back of the list."""
    model = llava.build()
    model.model.language_model.layers[1].register_forward_pre_hook(
        lambda layer, args, kwargs: ((args[0] + 1, *args[1:]), kwargs), with_kwargs=True
    )
    with pytest.raises(CaptureError) as caught:
        prove_identity(model, find_parts(model), llava.inputs())
    assert str(caught.value) == (
        "layer 2 of LlavaForConditionalGeneration does not receive what layer 1 gave: the layers found in "
        "'model.language_model.layers' are not the whole residual stream, so readouts of the layers before the last "
        "would be wrong. The model is refused; lens=False runs it without the lens."
    )


def test_the_message_of_layers_that_run_in_another_order(llava: Specimen) -> None:
    model = built("llava")
    parts = find_parts(model)
    with pytest.raises(CaptureError) as caught:
        prove_identity(model, FAULTS["two layers in the middle exchanged"](model, parts), llava.inputs())
    assert str(caught.value) == (
        "LlavaForConditionalGeneration runs layer 2 after layer 3: the layers found in 'model.language_model.layers' "
        "do not run once each in their order, so layer numbers would mean nothing. The model is refused; lens=False "
        "runs it without the lens."
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_nan_logits_are_refused_with_advice(specimen: Specimen, dtype: torch.dtype) -> None:
    model = specimen.build(dtype)
    with torch.no_grad():
        next(iter(find_parts(model).layers[-2].parameters())).fill_(float("nan"))
    with pytest.raises(IdentityError, match=r"gave NaN or infinite logits .* checkpoint's dtype \(dtype=auto\) or in"):
        prove_identity(model, find_parts(model), specimen.inputs((6,), dtype))


class SideBySide(nn.Module):
    """Two streams in one vector, joined before the head: hyper-connections in small."""

    def __init__(self, norm: nn.Module | None) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(16, 16), nn.Linear(16, 16)])
        if norm is not None:
            self.norm = norm
        self.lm_head = nn.Linear(8, 20)

    def forward(self, input_ids: torch.Tensor) -> Any:
        hidden = torch.nn.functional.one_hot(input_ids, 16).float()
        for layer in self.layers:
            hidden = layer(hidden)
        joined = hidden[..., :8] + hidden[..., 8:]
        return type("Output", (), {"logits": self.lm_head(joined)})


@pytest.mark.parametrize("norm", [None, nn.LayerNorm(8), nn.LayerNorm(16)], ids=["no norm", "norm of 8", "norm of 16"])
def test_streams_side_by_side_are_refused(norm: nn.Module | None) -> None:
    model = SideBySide(norm).eval()
    parts = replace(
        find_parts(built("llava")),
        model_class="SideBySide",
        layers=tuple(model.layers),
        norm=norm,
        head=model.lm_head,
        decoder_path="layers",
        hidden_size=8,
        vocab_size=20,
    )
    message = r"the layers of SideBySide in 'layers' give vectors of 16 numbers, and its head 'lm_head' takes 8"
    with pytest.raises(IdentityError, match=message):
        prove_identity(model, parts, {"input_ids": torch.tensor([[3, 1, 4]])})


def test_a_head_called_twice_is_refused(llava: Specimen) -> None:
    model = llava.build()

    def again(module: nn.Module, args: Any, output: Any) -> None:
        model.lm_head.forward = nn.Linear.forward.__get__(model.lm_head)
        model.lm_head(torch.zeros(1, 1, 32))

    model.register_forward_hook(again)
    with pytest.raises(CaptureError, match="computed logits without running its decoder layers"):
        prove_identity(model, find_parts(model), llava.inputs())


def test_a_known_unreadable_architecture_is_refused() -> None:
    model = nn.Module()
    model.config = type("Config", (), {"model_type": "gemma3n"})()  # type: ignore[assignment]
    with pytest.raises(PartsError, match=r"Module cannot be read: its layers carry four parallel streams \(AltUp\)"):
        find_parts(model)


def test_tolerance_is_that_of_the_dtype() -> None:
    logits = torch.tensor([[-2.0, 2.0]])
    assert tolerance(logits, torch.float32).tolist() == [1e-4]
    assert tolerance(logits, torch.bfloat16).tolist() == pytest.approx([2 * 2 * 2**-7 / 4])
    assert tolerance(logits, torch.float16).tolist() == pytest.approx([2 * 2 * 2**-10 / 4])


def test_logits_that_were_widened_after_a_16_bit_head_are_compared_as_16_bits(llava: Specimen) -> None:
    model, inputs = llava.build(torch.bfloat16), llava.inputs(dtype=torch.bfloat16)

    def widen(module: nn.Module, args: Any, output: Any) -> None:
        output.logits = output.logits.float()

    model.register_forward_hook(widen)
    lens = LogitLens(model, inputs)
    with torch.no_grad(), ResidualCapture(lens.parts) as trace:
        logits = model(**inputs).logits[:, -1]
    assert logits.dtype == torch.float32
    report = lens.compare(trace.steps[0][-1], logits)
    assert report.exact
    assert report.deviation > 1e-4, "rounding of 16 bits, which fp32 would not allow"
    assert not lens.compare(trace.steps[0][-2], logits).exact


def test_tokens_that_are_never_said_hide_no_deviation() -> None:
    """Their logits, the lowest number there is, make the range of a row so wide that any deviation is small in it."""
    model = build("chameleon")
    inputs = find_inputs(model, "chameleon")
    lens = LogitLens(model, inputs)
    with torch.no_grad(), ResidualCapture(lens.parts) as trace:
        logits = model(**inputs).logits[:, -1]
    assert lens.compare(trace.steps[0][-1], logits).exact
    assert not lens.compare(trace.steps[0][-2], logits).exact


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_an_infinite_deviation(bad: float) -> None:
    right = torch.randn(1, 8)
    wrong = right.clone()
    wrong[0, 3] = bad
    assert compare_logits(wrong, right).deviation == float("inf")
    assert not compare_logits(wrong, right).exact
    assert not compare_logits(right, wrong).exact


def test_ties_of_the_first_choice_agree() -> None:
    logits = torch.tensor([[1.0, 5.0, 5.0, 0.0]])
    nearly = torch.tensor([[1.0, 5.0 - 1e-7, 5.0, 0.0]])
    assert compare_logits(nearly, logits).argmax_agrees


def test_shapes_must_agree() -> None:
    with pytest.raises(CaptureError, match=r"shape \(1, 4\) against logits of shape \(1, 5\)"):
        compare_logits(torch.zeros(1, 4), torch.zeros(1, 5))


def test_the_proof_builds_no_logits_of_other_positions(llava: Specimen) -> None:
    model = llava.build()
    shapes = []
    model.lm_head.register_forward_hook(lambda head, args, output: shapes.append(tuple(output.shape[:2])))
    prove_identity(model, find_parts(model), llava.inputs((3, 6)))
    assert set(shapes) == {(2, 1)}
