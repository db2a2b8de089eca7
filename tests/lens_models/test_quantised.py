"""Quantised weights, on the CPU: layers by bitsandbytes, heads by bitsandbytes and by a module of our own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from close_readouts import logit_bounds, readout_bounds
from tolerances import bounds, rounding, sums_of
from torch import Tensor, nn
from zoo import WIDTH, Specimen

from lens_models import IdentityError, LensArgumentError, LogitLens, ReadoutRow, example_inputs, find_parts, load_model
from lens_models.probes import ResidualCapture
from lens_models.quantised import QUANTISATION_ARGUMENTS, quantisation_config

BITS = ["load_in_8bit", "load_in_4bit"]
# what bitsandbytes says of its CPU code
pytestmark = [
    pytest.mark.filterwarnings("ignore:MatMul8bitLt:UserWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:bitsandbytes"),
    pytest.mark.filterwarnings("ignore:.*check_is_size.* will be removed:FutureWarning"),
]


class WeightOnly(nn.Module):
    """An int8 weight with a scale a row: what weight-only quantisers put in place of a linear layer."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        scale = linear.weight.detach().abs().amax(1) / 127
        self.register_buffer("weight", (linear.weight.detach() / scale[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, hidden: Tensor) -> Tensor:
        return (hidden.float() @ self.weight.float().t() * self.scale.float()).to(hidden.dtype)


class RoundedTogether(WeightOnly):
    """Activations in int8 with one scale for all rows: the output for a row depends on the others."""

    def forward(self, hidden: Tensor) -> Tensor:
        scale = hidden.abs().amax() / 127
        return super().forward((hidden / scale).round() * scale)


def last_logits(model: Any, inputs: Any) -> tuple[Tensor, Tensor]:
    with torch.no_grad(), ResidualCapture(find_parts(model)) as trace:
        logits = model(**inputs).logits[:, -1]
    return trace.steps[0], logits


@pytest.mark.parametrize("bits", BITS)
def test_quantised_layers_are_read_exactly_in_a_run(bits: str) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="bitsandbytes has no wheel for this platform")
    loaded = load_model(device="cpu", quantisation={bits: True})
    kinds = {type(module) for layer in find_parts(loaded.model).layers for module in layer.modules()}
    wanted = bitsandbytes.nn.Linear8bitLt if bits == "load_in_8bit" else bitsandbytes.nn.Linear4bit
    assert wanted in kinds
    inputs = example_inputs(loaded.processor)
    lens = LogitLens(loaded.model, inputs)
    generation = lens.generate(inputs, max_new_tokens=3, do_sample=False)
    assert lens.check(generation).exact
    assert lens.forcing.way is not None, lens.forcing.reason
    plain = loaded.model.generate(**inputs, max_new_tokens=3, do_sample=False)
    assert torch.equal(generation.sequences, plain)
    residual, logits = last_logits(loaded.model, inputs)
    # the head stays in full precision: norm and head by hand, in float64
    norm, head = lens.parts.norm, lens.parts.head
    assert norm is not None
    middle = norm(residual[3]).double() @ head.weight.detach().double().t()  # type: ignore[operator]
    for ours, theirs in ((residual[3], middle), (residual[-1], logits.double())):
        torch.testing.assert_close(lens.logits(ours).double(), theirs, **logit_bounds(lens._exact, ours))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_quantised_head_is_read_through_its_own_code(llava: Specimen, dtype: torch.dtype) -> None:
    model, inputs = llava.build(dtype), llava.inputs((6, 4), dtype)
    model.lm_head = WeightOnly(model.lm_head)
    lens = LogitLens(model, llava.inputs((6,), dtype))
    assert (lens.parts.hidden_size, lens.parts.vocab_size) == (32, 160)
    generation = lens.generate(inputs, max_new_tokens=3, do_sample=False)
    assert lens.check(generation).exact
    read = lens.read([ReadoutRow(generation.residual(1, 0), generation.new_tokens[1][0])])[0]
    theirs = torch.log_softmax(generation.trace.first_logits[1].float(), -1)  # type: ignore[index]
    token = generation.new_tokens[1][0]
    logits = generation.trace.first_logits[1].float()  # type: ignore[index]
    # the head of the test adds up in fp32 and rounds its result to the model's dtype
    allowed = readout_bounds(logits, WIDTH, WIDTH)["atol"] + rounding(dtype, 1) * float(logits.abs().max())
    assert read.logprob_pred[-1] == pytest.approx(float(theirs[token]), abs=allowed)


def test_a_quantised_head_in_4_bits_is_read_through_its_own_code(llava: Specimen) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="bitsandbytes has no wheel for this platform")
    model = llava.build()
    head = bitsandbytes.nn.Linear4bit(32, 160, bias=False, quant_type="nf4", compute_dtype=torch.float32)
    head.load_state_dict({"weight": model.lm_head.weight.detach()})
    before = model.lm_head.weight.detach().clone()
    model.lm_head = head.to("cpu")
    lens = LogitLens(model, llava.inputs())
    residual, logits = last_logits(model, llava.inputs())
    # the products are those of weights that 4 bits move by less than a half
    hidden = lens.parts.norm(residual[-1]).detach()  # type: ignore[misc]
    scale = 1.5 * float((hidden.abs() @ before.abs().t()).max())
    torch.testing.assert_close(lens.logits(residual[-1]), logits, **bounds(torch.float32, WIDTH, WIDTH, scale=scale))
    assert lens.parts.norm is not None
    with torch.no_grad():
        unquantised = lens.parts.norm(residual[-1]) @ before.t()
    assert (unquantised - logits).abs().max() > 1e-2, "the head must be quantised, or nothing was shown"


def test_a_head_whose_rows_depend_on_each_other_is_refused(llava: Specimen) -> None:
    """All layers of an answer go through the head at once; this head would then answer otherwise than in the model."""
    model = llava.build()
    model.lm_head = RoundedTogether(model.lm_head)
    with pytest.raises(IdentityError, match=r"'lm_head' \(RoundedTogether\) gives a vector other logits when other ve"):
        LogitLens(model, llava.inputs())


def test_a_checkpoint_that_was_saved_quantised_says_so_itself(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes has no wheel for this platform")
    first = load_model(device="cpu", quantisation={"load_in_4bit": True})
    first.model.save_pretrained(tmp_path)
    first.processor.save_pretrained(tmp_path)
    second = load_model(str(tmp_path), device="cpu")
    assert second.model.config.quantization_config.load_in_4bit
    inputs = example_inputs(second.processor)
    assert LogitLens(second.model, inputs).identity.exact
    with torch.no_grad():
        ours, theirs = second.model(**inputs).logits, first.model(**inputs).logits
    sums = sums_of(load_model(device="cpu").model, inputs["input_ids"].shape[1])
    torch.testing.assert_close(ours, theirs, **bounds(torch.float32, sums, scale=float(theirs.abs().max())))


def test_the_arguments_make_the_configuration_of_bitsandbytes() -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes has no wheel for this platform")
    assert quantisation_config({}) is None
    assert quantisation_config(dict.fromkeys(QUANTISATION_ARGUMENTS)) is None
    assert quantisation_config({"load_in_8bit": False, "load_in_4bit": False}) is None
    four = quantisation_config(
        {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": "bfloat16"}
    )
    assert four is not None
    assert (four.load_in_4bit, four.bnb_4bit_quant_type, four.bnb_4bit_compute_dtype) == (True, "nf4", torch.bfloat16)
    eight = quantisation_config({"load_in_8bit": True})
    assert eight is not None
    assert (eight.load_in_8bit, eight.load_in_4bit) == (True, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict.fromkeys(BITS, True), "load_in_8bit and load_in_4bit exclude each other"),
        (
            {"bnb_4bit_quant_type": "nf4"},
            "bnb_4bit_quant_type is a setting of 4-bit weights; it needs load_in_4bit=True",
        ),
        ({"load_in_8bit": True, "bnb_4bit_quant_type": "nf4"}, "bnb_4bit_quant_type is a setting of 4-bit weights"),
        ({"load_in_4bit": True, "bnb_4bit_compute_dtype": "float31"}, "bnb_4bit_compute_dtype='float31' is unknown"),
        ({"load_in_4bit": True, "bnb_4bit_quant_type": "nf5"}, "bnb_4bit_quant_type='nf5'; expected nf4 or fp4"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(LensArgumentError, match=message):
        quantisation_config(arguments)


@pytest.mark.parametrize("bits", BITS)
def test_without_the_package_the_message_says_what_to_install(bits: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(
        LensArgumentError, match=rf"{bits} needs the package bitsandbytes, .*'mm-logit-lens\[bitsandbytes"
    ):
        load_model(device="cpu", quantisation={bits: True})
