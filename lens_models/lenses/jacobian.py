"""The Jacobian lens: how the last layer's residual depends on that of each layer, on average."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lens_models.errors import CaptureError
from lens_models.parts import ModelParts

from .affine import IMAGE, TEXT, AffineMaps
from .quality import ANSWER
from .states import PADDING, POSITION_KINDS, UNKNOWN

__all__ = ["SKIPPED", "JacobianFit", "jacobians"]

SKIPPED = 16
"""Positions at the beginning of a prompt that are left out, as sources and as targets: attention gathers there."""


@dataclass
class JacobianFit:
    """J_l = E[d h_L / d h_l] of layers 0 to L-1, apart for text and image tokens, prompt by prompt.

    As published with arXiv:2607.15495: of each prompt the derivative of the last layer's residual by that of layer l at
    a source position, summed over the target positions from there on, then the mean over sources; then the mean over
    prompts. The beginning of a prompt is left out. The last position is kept, unlike there: it is the one that predicts
    the answer. Sources are text or image tokens, and have maps of their own.

    Attributes:
        skipped: positions left out at the beginning; of a shorter prompt fewer, so that its last one stays.
        prompts: how many were counted in.
    """

    skipped: int = SKIPPED
    prompts: int = 0
    _sums: dict[str, Tensor] = field(default_factory=dict, repr=False)
    _counts: dict[str, int] = field(default_factory=dict)

    def take(self, model: nn.Module, parts: ModelParts, inputs: Mapping[str, Any], kinds: Tensor) -> None:
        """Count the prompts of a batch in; see `jacobians`."""
        for kind, found in jacobians(model, parts, inputs, _without_beginning(kinds, self.skipped)).items():
            wide = found.double().sum(0)
            self._sums[kind] = self._sums[kind] + wide if kind in self._sums else wide
            self._counts[kind] = self._counts.get(kind, 0) + len(found)
        self.prompts += len(kinds)

    def maps(self, kind: str, dtype: torch.dtype = torch.float32) -> AffineMaps | None:
        """J_l - 1 of text or image tokens; None where no such position was seen."""
        if kind not in self._sums:
            return None
        mean = self._sums[kind] / self._counts[kind]
        mean = mean - torch.eye(mean.shape[-1], dtype=mean.dtype)
        return AffineMaps({layer: each.to(dtype) for layer, each in enumerate(mean)})

    def state(self) -> dict[str, Any]:
        """Everything that the next batch is added to, for `torch.save`."""
        return {"prompts": self.prompts, "sums": self._sums, "counts": self._counts}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.prompts, self._sums, self._counts = state["prompts"], dict(state["sums"]), dict(state["counts"])


def _without_beginning(kinds: Tensor, skipped: int) -> Tensor:
    """The kinds `[rows, positions]`, of the first positions of each prompt unknown; its last one stays."""
    found = kinds.clone()
    for row in found:
        prompt = (row != PADDING).nonzero().flatten()
        row[prompt[: min(skipped, len(prompt) - 1)]] = UNKNOWN
    return found


def jacobians(model: nn.Module, parts: ModelParts, inputs: Mapping[str, Any], kinds: Tensor) -> dict[str, Tensor]:
    """Of each prompt the mean over sources of the derivative of h_L, summed over targets, by h_l.

    One pass forward and d passes back, all prompts of the batch and all layers together.

    Args:
        model: in eval mode.
        parts: of the model.
        inputs: a batch as the processor made it.
        kinds: `[rows, positions]` as the layers see them: the place in `POSITION_KINDS` of sources; targets are all
            sources of either kind. Negative ones are neither.

    Returns:
        text, image -> fp32 `[prompts, L, d, d]` on the CPU, of the prompts that have such sources: the row is the
        number of the target's unit, the column that of the source's.

    Raises:
        CaptureError: the layers gave other shapes than `kinds`, or did not run.
    """
    frozen = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        with torch.enable_grad(), _kept(parts) as kept:
            model(**inputs)
            layers = _filled(parts, kept)
            return _backward(parts, layers, kinds.to(layers[-1].device))
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def _backward(parts: ModelParts, layers: Sequence[Tensor], kinds: Tensor) -> dict[str, Tensor]:
    last = layers[-1]
    if tuple(last.shape[:2]) != tuple(kinds.shape):
        raise CaptureError(f"the layers saw {tuple(last.shape[:2])} rows and positions; expected {tuple(kinds.shape)}")
    text, image, answer = (kinds == POSITION_KINDS.index(kind) for kind in (TEXT, IMAGE, ANSWER))
    masks = {TEXT: text | answer, IMAGE: image}
    rows = {kind: mask.any(1).nonzero().flatten() for kind, mask in masks.items()}
    width = last.shape[-1]
    found = {kind: torch.zeros(len(own), len(layers) - 1, width, width) for kind, own in rows.items() if len(own)}
    cotangent = torch.zeros_like(last)
    targets = masks[TEXT] | masks[IMAGE]
    for unit in range(width):
        cotangent.zero_()[..., unit] = targets.to(last.dtype)
        gradients = torch.autograd.grad(
            last, layers[:-1], cotangent, retain_graph=unit < width - 1, allow_unused=True, materialize_grads=True
        )
        for kind, own in found.items():
            for layer, gradient in enumerate(gradients):
                mask = masks[kind].to(gradient.device)
                summed = torch.einsum("rpd,rp->rd", gradient.float(), mask.float()) / mask.sum(1, keepdim=True).clamp(1)
                own[:, layer, unit] = summed[rows[kind].to(gradient.device)].cpu()
    return found


@contextmanager
def _kept(parts: ModelParts) -> Iterator[dict[int, Tensor]]:
    """Layer -> residual `[rows, positions, d]` of the pass inside, with gradients from the embedding output on."""
    found: dict[int, Tensor] = {}

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hidden = args[0] if args else kwargs["hidden_states"]
        found[0] = hidden.detach().requires_grad_(True)
        return ((found[0], *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": found[0]})

    def after(number: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            found[number] = output[0] if isinstance(output, tuple | list) else output

        return hook

    with ExitStack() as stack:
        stack.callback(parts.layers[0].register_forward_pre_hook(before, with_kwargs=True).remove)
        for number, layer in enumerate(parts.layers, start=1):
            stack.callback(layer.register_forward_hook(after(number)).remove)
        yield found


def _filled(parts: ModelParts, kept: Mapping[int, Tensor]) -> list[Tensor]:
    """All layers; one that the model skipped is the one before it."""
    if 0 not in kept:
        raise CaptureError(f"{parts.model_class} ran without its first decoder layer in '{parts.decoder_path}'")
    layers = [kept[0]]
    for number in range(1, parts.n_layers + 1):
        layers.append(kept.get(number, layers[-1]))
    return layers
