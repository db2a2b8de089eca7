"""The identity gate: the readout of the last layer must be the model's own logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from .chain import check_chain, require_all_layers, require_captured
from .comparison import IdentityReport, compare_logits
from .errors import CaptureError, IdentityError
from .head_positions import last_positions_alone
from .parts import ModelParts
from .placement import require_weights
from .probes import ResidualCapture
from .transforms import LogitTransform, configured_numbers, measured_scale, observe_transform
from .unembed import Unembedding

__all__ = ["prove_identity"]


@torch.no_grad()
def prove_identity(
    model: nn.Module, parts: ModelParts, inputs: Mapping[str, Any]
) -> tuple[Unembedding, IdentityReport]:
    """Run the model on a real input and prove the readout, or refuse the model.

    Two runs: one with a known ramp in place of the head's output, which shows what the class does to its logits, and
    one as it is, in which the layers must follow one another and the last one's readout must be the model's logits.

    Args:
        model: the model in eval mode.
        parts: what `find_parts` found.
        inputs: a batch as the processor made it, with an image; a row of left-padded tokens is read at its last one.

    Raises:
        PartsError: a part has no weights.
        IdentityError: the model's own logits do not come out. Names the class, the parts, the deviation.
        CaptureError: the layers found are not all or not a chain, or the head is not called once a forward pass.
    """
    require_weights(parts)
    require_all_layers(model, parts)
    seen: dict[str, Tensor] = {}
    handle = parts.head.register_forward_pre_hook(lambda head, args: seen.update({"head input": args[0][:, -1]}))
    try:
        with last_positions_alone(parts.head), ResidualCapture(parts) as trace, check_chain(parts) as given:
            output = model(**inputs)
    finally:
        handle.remove()
    if trace.n_steps != 1 or trace.first_logits is None:
        raise CaptureError(f"one forward pass of {parts.model_class} called its head {trace.n_steps} times")
    require_captured(parts, trace, given)
    logits = output.logits[:, -1]
    _require_whole_vocabulary(parts, trace.first_logits)
    if not torch.isfinite(trace.first_logits).all():
        raise IdentityError(
            f"{parts.model_class} gave NaN or infinite logits on the example input in {logits.dtype}; nothing can be "
            "read. Load the model in its checkpoint's dtype (dtype=auto) or in float32."
        )
    residual = trace.steps[0][-1]
    _require_width(Unembedding(parts), residual)
    transform = _with_head_scale(parts, observe_transform(model, parts, inputs), residual, seen["head input"], model)
    unembed = Unembedding(parts, transform=transform)
    readout = unembed(residual)
    report = compare_logits(readout, logits, dtype=trace.first_logits.dtype, masked=transform.masked)
    report = replace(report, transform=str(transform))
    if not report.exact:
        raise IdentityError(_refusal(parts, report, transform))
    _require_independent_rows(unembed, trace.steps[0], readout, trace.first_logits.dtype)
    return unembed, report


def _require_whole_vocabulary(parts: ModelParts, logits: Tensor) -> None:
    whole = logits.shape[-1] == parts.vocab_size
    if whole and type(logits) is Tensor:
        return
    found = (
        f"its logits as a {type(logits).__name__}" if whole else f"{logits.shape[-1]} of its {parts.vocab_size} logits"
    )
    raise IdentityError(
        f"the head of {parts.model_class}, '{parts.head_path}', gives {found}: it is sharded over processes and its "
        "output is not gathered. Load the model with tp_plan='auto', or with 'colwise_gather_output' for the head; "
        "lens=False runs the model without the lens."
    )


def _require_width(unembed: Unembedding, residual: Tensor) -> None:
    """Refuse a decoder whose last layer `[rows, d]` cannot go through norm and head as it is."""
    parts = unembed.parts
    try:
        width: int | None = unembed.normed(residual).shape[-1]
    except RuntimeError:
        width = None  # the norm takes vectors of another width
    if width != parts.hidden_size:
        raise IdentityError(
            f"the layers of {parts.model_class} in '{parts.decoder_path}' give vectors of {residual.shape[-1]} "
            f"numbers, and its head '{parts.head_path}' takes {parts.hidden_size}: several streams side by side, or a "
            "step between the last layer and the head that was not found. docs/adding-a-model.md shows how to name "
            "parts; lens=False runs the model without the lens."
        )


def _require_independent_rows(unembed: Unembedding, residual: Tensor, alone: Tensor, dtype: torch.dtype) -> None:
    """Refuse a head that gives the last layer `[rows, V]` other logits when all layers `[layers, rows, d]` are read.

    A head that quantises its input by a scale of the whole batch does; the product of all layers would be another one
    than the model's.
    """
    together = unembed(residual)[-1]
    report = compare_logits(together, alone.to(dtype), masked=unembed.transform.masked)
    if not report.exact:
        parts = unembed.parts
        raise IdentityError(
            f"the head of {parts.model_class}, '{parts.head_path}' ({type(parts.head).__name__}) gives a vector other "
            f"logits when other vectors stand beside it: off by {report.deviation:.2e} of the logit range (allowed "
            f"{report.tolerance:.2e}). Its layers cannot be read at once; leave the head out of the quantisation "
            "(llm_int8_skip_modules, modules_to_not_convert), or run without the lens: lens=False."
        )


def _with_head_scale(
    parts: ModelParts, transform: LogitTransform, residual: Tensor, head_input: Tensor, model: nn.Module
) -> LogitTransform:
    """The transform with the factor that the model puts on its head's input (T5, Inkling), if it does."""
    # torch's own sharding hands a distributed tensor to the head
    whole = head_input.full_tensor() if hasattr(head_input, "full_tensor") else head_input
    x, y = Unembedding(parts).normed(residual).float(), whole.to(residual.device).float()
    if getattr(parts.head, "bias", None) is not None or x.shape != y.shape:
        return transform
    eps, measured = torch.finfo(head_input.dtype).eps, measured_scale(x.flatten(), y.flatten())
    # the norm of one position may round otherwise than that of a whole sequence: no factor
    plain = abs(measured - 1.0) <= max(eps / 8, 1e-5)
    for factor in (1.0,) if plain else (*configured_numbers(model.config), measured):
        if torch.allclose(factor * x, y, rtol=max(2 * eps, 1e-5), atol=1e-5 * float(y.abs().max())):
            return replace(transform, scale=transform.scale * factor)
    return transform


def _refusal(parts: ModelParts, report: IdentityReport, transform: LogitTransform) -> str:
    sixteen = f", rounding {report.rounding:.1f} (allowed 1.0)" if report.rounding else ""
    return (
        f"the lens does not read {parts.model_class} exactly, so it is refused. Found: {parts.describe()}, transform "
        f"{transform}. The last layer's readout is off by {report.deviation:.2e} of the logit range (allowed "
        f"{report.tolerance:.2e}, {report.dtype}{sixteen}), first choice "
        f"{'agrees' if report.argmax_agrees else 'differs'}. Try dtype=float32 to rule out rounding; if it stays, the "
        "parts found are not the ones the model uses: docs/adding-a-model.md shows how to name them. lens=False runs "
        "the model without the lens."
    )
