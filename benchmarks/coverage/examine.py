"""Is the lens exact on one model type? The model's own forward passes are the judge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

from lens_models import LensError, LogitLens
from lens_models.architectures import REFUSED
from lens_models.probes import ResidualCapture

from .attention import check_attention
from .build import build
from .forced import check_forcing
from .inputs import InputError, find_inputs
from .reasons import REASONS
from .recipes import TEXT_ONLY

__all__ = ["TOLERANCE", "Outcome", "WrongReadoutError", "compare", "deviation_of", "examine", "model_types"]

TOLERANCE = 1e-5
_NEW_TOKENS = 3


class WrongReadoutError(AssertionError):
    """The lens passed its own gate and yet reads something else than the model computes."""


@dataclass(frozen=True)
class Outcome:
    """What came of one model type: `result` is exact, refused or unbuildable.

    `deviation` is the largest difference from the model's own logits, as a share of their range, over the last layer,
    the middle layers and the steps of a generation. The fields `forced...` say how given tokens are scored, see
    `forced.ForcedCheck`, the fields `attention...` whether attention weights are read, see `attention.AttentionCheck`;
    empty for a model that was not built.
    """

    model_type: str
    model_class: str
    result: str
    deviation: float | None = None
    reason: str = ""
    layers: str = ""
    norm: str = ""
    head: str = ""
    transform: str = ""
    forced: str = ""
    forced_deviation: float | None = None
    forced_inputs: tuple[str, ...] = ()
    forced_reason: str = ""
    attention: str = ""
    attention_layers: str = ""
    attention_deviation: float | None = None
    attention_reason: str = ""


def model_types() -> dict[str, str]:
    """Model type -> class, of every type that `AutoModelForImageTextToText` maps."""
    return {name: str(cls) for name, cls in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.items()}


def examine(model_type: str) -> Outcome:
    """Build, prove, generate and compare every layer.

    Raises:
        WrongReadoutError: a readout that passed the gate is wrong.
        ForcedError: forced scores that passed the check at load are wrong.
        AttentionError: attention weights that passed the check at load are wrong.
    """
    cls = model_types()[model_type]
    if model_type in REFUSED:
        return Outcome(model_type, cls, "refused", reason=REFUSED[model_type])
    try:
        model = build(model_type)
    except Exception as error:  # whatever a model does with a tiny configuration
        return Outcome(model_type, cls, "unbuildable", reason=_reason(model_type, "the tiny model", error))
    try:
        inputs = find_inputs(model, model_type)
    except InputError as error:
        return Outcome(model_type, cls, "unbuildable", reason=_reason(model_type, "an input with an image", error))
    forced = _forced(model, inputs) | _attention(model, inputs)
    try:
        lens = LogitLens(model, inputs)
        deviation, note = compare(lens, inputs)
    except LensError as error:
        return Outcome(model_type, cls, "refused", reason=REASONS.get(model_type, str(error)), **forced)
    parts = lens.parts
    note = note or ("the class takes no image; checked on text alone" if model_type in TEXT_ONLY else "")
    return Outcome(
        model_type,
        cls,
        "exact",
        deviation,
        note,
        layers=f"{parts.n_layers} in {parts.decoder_path}",
        norm=parts.norm_path or "none",
        head=parts.head_path,
        transform=lens.identity.transform,
        **forced,
    )


def _forced(model: Any, inputs: dict[str, Tensor]) -> dict[str, Any]:
    check = check_forcing(model, inputs)
    return {
        "forced": check.way,
        "forced_deviation": check.deviation,
        "forced_inputs": check.inputs,
        "forced_reason": check.reason,
    }


def _attention(model: Any, inputs: dict[str, Tensor]) -> dict[str, Any]:
    check = check_attention(model, inputs)
    return {
        "attention": check.status,
        "attention_layers": check.layers,
        "attention_deviation": check.deviation,
        "attention_reason": check.reason,
    }


def _reason(model_type: str, what: str, error: Exception) -> str:
    text = " ".join(str(error).split())
    return REASONS.get(model_type, f"{what} could not be made: {type(error).__name__}: {text[:300]}")


def compare(lens: LogitLens, inputs: dict[str, Tensor]) -> tuple[float, str]:
    """The largest deviation of the last layer, the middle layers and the steps of a generation, and what was left out.

    Raises:
        WrongReadoutError: it is more than rounding.
    """
    worst = max(lens.identity.deviation, _middle_layers(lens, inputs))
    try:
        plain = lens.model.generate(
            **inputs, max_new_tokens=_NEW_TOKENS, output_logits=True, return_dict_in_generate=True
        )
    except Exception as error:  # the model itself does not generate from these inputs
        text = " ".join(str(error).split())[:160]
        note = f"generation was not compared: {type(error).__name__}: {text}"
    else:
        worst, note = max(worst, _generation(lens, inputs, plain)), ""
    if worst > TOLERANCE:
        raise WrongReadoutError(f"{lens.parts.model_class}: off by {worst:.2e} of the logit range")
    return worst, note


@torch.no_grad()
def _generation(lens: LogitLens, inputs: dict[str, Tensor], plain: Any) -> float:
    traced = lens.generate(inputs, max_new_tokens=_NEW_TOKENS)
    if not torch.equal(traced.sequences, plain.sequences):
        raise WrongReadoutError(f"{lens.parts.model_class}: the lens changed the tokens of a generation")
    steps = len(plain.logits)
    if [len(row) for row in traced.new_tokens] != [steps]:
        raise WrongReadoutError(f"{lens.parts.model_class}: {traced.trace.n_steps} steps for {steps} tokens")
    return max(deviation_of(lens._exact(traced.residual(0, step)[-1]), plain.logits[step][0]) for step in range(steps))


@torch.no_grad()
def _middle_layers(lens: LogitLens, inputs: dict[str, Tensor]) -> float:
    """Each layer against the model itself with all later blocks passing on what they receive."""
    with ResidualCapture(lens.parts) as trace:
        lens.model(**inputs)
    worst = 0.0
    for number in range(1, lens.parts.n_layers + 1):
        with _passing_on(_blocks_after(lens, number)):
            theirs = lens.model(**inputs).logits[0, -1]
        worst = max(worst, deviation_of(lens._exact(trace.steps[0][number - 1][0]), theirs))
    return worst


def _blocks_after(lens: LogitLens, number: int) -> list[nn.Module]:
    blocks = list(lens.parts.layers[number:])
    if lens.parts.interleaved:
        decoder = lens.model.get_submodule(lens.parts.decoder_path.rpartition(".")[0])
        interval = lens.model.config.cross_layer_interval
        blocks += [block for i, block in enumerate(decoder.gated_cross_attn_layers) if i * interval >= number]
    return blocks


@contextmanager
def _passing_on(blocks: list[nn.Module]) -> Iterator[None]:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        hidden = args[0] if args else kwargs["hidden_states"]
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    handles = [block.register_forward_hook(hook, with_kwargs=True) for block in blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def deviation_of(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference of two rows of logits, as a share of their range."""
    said = theirs > torch.finfo(theirs.dtype).min / 2
    ours, theirs = ours[said], theirs[said].float()
    return float((ours - theirs).abs().max() / (theirs.max() - theirs.min()))
