"""Lenses that add an affine function of the residual to it: the tuned lens and the Jacobian lens."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .protocol import Lens
from .quality import HeldOut, problem_of

__all__ = ["IMAGE", "TEXT", "AffineLens", "AffineMaps", "claims_refused", "content_digest"]

TEXT, IMAGE = "text", "image"


@dataclass
class AffineMaps:
    """h + A_l h + b_l for each layer l, computed in fp32 and given back in the residual's dtype.

    Attributes:
        weights: layer number -> A_l `[d, d]`, of any float dtype; it stays what it is in memory.
        biases: layer number -> b_l `[d]`; a layer without one has none.
    """

    weights: dict[int, Tensor] = field(repr=False)
    biases: dict[int, Tensor] = field(default_factory=dict, repr=False)

    def __call__(self, residual: Tensor, layer_index: Sequence[int]) -> Tensor:
        """See `Lens`; layers without a map, such as the last one, stay as they are."""
        found = residual.clone()
        for place, layer in enumerate(layer_index):
            if layer in self.weights:
                found[place] = self.of_layer(layer, residual[place].float()).to(residual.dtype)
        return found

    def of_layer(self, layer: int, hidden: Tensor) -> Tensor:
        """fp32 `[..., d]` of fp32 `[..., d]`."""
        weight = self._on(self.weights, layer, hidden.device)
        found = hidden + hidden @ weight.float().T
        return found + self._on(self.biases, layer, hidden.device).float() if layer in self.biases else found

    @staticmethod
    def _on(tensors: dict[int, Tensor], layer: int, device: torch.device) -> Tensor:
        """The tensor of a layer where it is used, from then on."""
        if tensors[layer].device != device:
            tensors[layer] = tensors[layer].to(device)
        return tensors[layer]

    def named(self) -> dict[str, Tensor]:
        """Name in a file -> tensor."""
        found = {f"{layer}.weight": tensor for layer, tensor in self.weights.items()}
        return found | {f"{layer}.bias": tensor for layer, tensor in self.biases.items()}

    @classmethod
    def of_named(cls, tensors: Mapping[str, Tensor]) -> AffineMaps:
        """The inverse of `named`."""
        weights = {int(name.partition(".")[0]): each for name, each in tensors.items() if name.endswith(".weight")}
        biases = {int(name.partition(".")[0]): each for name, each in tensors.items() if name.endswith(".bias")}
        return cls(weights, biases)


@dataclass(frozen=True)
class AffineLens:
    """A map of text positions, the answer's among them, and one of image tokens.

    Tuned lens (Belrose et al., arXiv:2303.08112, as its package parametrises it): A_l and b_l make the readout of the
    layer as like that of the last one as they can. Jacobian lens (arXiv:2607.15495): A_l = J_l - 1, where J_l is the
    mean derivative of the last layer's residual by that of layer l; there is no b_l.

    Attributes:
        kind: tuned or jacobian.
        text: maps of text positions.
        images: maps of image tokens; None where they are read as they are.
        digest: of the numbers of both.
        held_out: how far its readouts are from the last layer's on data that it was not learnt on, after all rounding.
        trained_on: what it was learnt on, in words.
    """

    kind: str
    text: AffineMaps = field(repr=False)
    images: AffineMaps | None = field(repr=False)
    digest: str
    held_out: HeldOut | None = field(repr=False)
    trained_on: str = ""

    def __call__(self, residual: Tensor, layer_index: Sequence[int]) -> Tensor:
        """See `Lens`."""
        return self.text(residual, layer_index)

    def told(self) -> Mapping[str, str]:
        """See `Lens`."""
        return {"digest": self.digest}


def claims_refused(lens: Lens, kind: str, layers: Sequence[int]) -> str | None:
    """Why nothing may be claimed from what a learnt lens reads at positions of a kind, see `quality.problem_of`.

    None where something may, and of lenses that learnt nothing.
    """
    return problem_of(lens.held_out, kind, layers) if isinstance(lens, AffineLens) else None


def content_digest(tensors: Mapping[str, Tensor]) -> str:
    """16 hex digits of the SHA-256 of names, shapes, dtypes and numbers."""
    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]
