"""VCD: visual contrastive decoding, against the same prompt with a noisy picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from lens_models.errors import LensArgumentError

from .model_output import below
from .second_stream import SecondStream, contrast

__all__ = ["Vcd", "noised"]

_STEPS = 1000


@dataclass(frozen=True)
class Vcd(SecondStream):
    """(1 + strength) z(v) - strength z(v'), v' the noisy picture; tokens below `cut` times the largest p(v) never.

    Leng et al., arXiv:2311.16922, with the noise of their code: x' = sqrt(a) x + sqrt(1 - a) e of the processed
    pixels, a = the product of 1 - b over the first `noise` of 1,000 steps, b from 1e-5 to 5e-3 along a sigmoid over
    [-6, 6]. The noise is the same for every picture of one size, so that answers depend on no batch.

    Costs a second run of the model at each token.

    Attributes:
        strength: the authors' 0.5 (alpha); 1 in some of their scripts.
        cut: the authors' 0.1 (beta).
        noise: the authors' 500, of 0 to 999.
        seed: of the noise.
    """

    name: ClassVar[str] = "vcd"
    strength: float = 0.5
    cut: float = 0.1
    noise: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.noise < _STEPS or not 0 <= self.cut <= 1:
            raise LensArgumentError(f"vcd: noise={self.noise}, cut={self.cut}; expected 0 to {_STEPS - 1}, and 0 to 1")

    def second(self, kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """See `SecondStream`."""
        pixels = {
            name: value
            for name, value in kwargs.items()
            if name.startswith("pixel_values") and isinstance(value, Tensor) and value.is_floating_point()
        }
        if not pixels:
            return None
        grids = {"pixel_values": kwargs.get("image_grid_thw"), "pixel_values_videos": kwargs.get("video_grid_thw")}
        return {name: noised(value, self.noise, self.seed, grids.get(name)) for name, value in pixels.items()}

    def logits(self, final: Tensor, early: Tensor) -> Tensor:
        """See `LogitIntervention`; `early[0]` are the logits of the second run."""
        return contrast(final, early[0], self.strength)

    def never(self, final: Tensor) -> Tensor | None:
        """See `LogitIntervention`."""
        return below(final, self.cut)


def noised(pixels: Tensor, step: int, seed: int, grid: Tensor | None = None) -> Tensor:
    """Pixels after so many steps of the diffusion.

    Args:
        pixels: `[pictures, ...]`, `[rows, pieces, ...]`, or with a grid `[patches of all pictures, numbers]`.
        step: 0 to 999.
        seed: of the noise.
        grid: `[pictures, 3]`, patches of each picture by time, height and width.
    """
    betas = torch.sigmoid(torch.linspace(-6, 6, _STEPS, dtype=torch.float64)) * (0.5e-2 - 1e-5) + 1e-5
    kept = float(torch.cumprod(1 - betas, 0)[step])
    if grid is not None and pixels.dim() == 2:
        sizes = grid.prod(-1).tolist()
        noise = torch.cat([_noise((size, pixels.shape[1]), seed) for size in sizes])
    elif pixels.dim() >= 5:  # pieces of a picture each have their own, however many others there are
        pieces = [_noise(tuple(pixels.shape[2:]), seed + place) for place in range(pixels.shape[1])]
        noise = torch.stack(pieces).expand(pixels.shape)
    else:
        noise = _noise(tuple(pixels.shape[1:]), seed).expand(pixels.shape)
    return (math.sqrt(kept) * pixels.float() + math.sqrt(1 - kept) * noise.to(pixels.device)).to(pixels.dtype)


def _noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """Normal numbers, made on the processor, so that they are the same for every device."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
