"""PAI: paying more attention to the image, and guidance against the prompt without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts

from .host import Host
from .image_attention import ImageScores, ImageScoresRun
from .model_output import Pass, below, layers_by_share
from .prompt import without_positions

__all__ = ["Pai"]


@dataclass(frozen=True)
class Pai(ImageScores):
    """S += strength |S| at the image tokens; then u + gamma (log p - u), u the log p of the prompt without them.

    Liu et al., arXiv:2407.21771, as in the authors' code: S are the scaled scores of the predicting position before the
    mask, in the blocks with the numbers 2 to 31 from 0 of 32, by share of the depth; the run without image tokens has
    plain attention; tokens below `cut` times the largest p are never said. Marks beside the image tokens (beginning and
    end of an image, of rows) stay in the prompt without them, as positions in it are counted without gaps. With
    gamma = 1 there is no guidance and no cut. Prompts without pictures run as they are.

    Costs the attention of the predicting position three times in each of the layers, and with guidance a second run of
    the model at each token.

    Attributes:
        strength: the authors' 0.2 (alpha).
        gamma: of the guidance; the authors' commands have 1.1, their scripts 2 where nothing is said.
        layers_of: numbers such as 3-32; empty for those by share.
        cut: the authors' 0.1.
    """

    name: ClassVar[str] = "pai"
    strength: float = 0.2
    gamma: float = 1.1
    layers_of: str = ""
    cut: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.cut <= 1:
            raise LensArgumentError(f"pai: cut={self.cut}; expected a share above 0 and at most 1")

    def bound(self, host: Host) -> Pai:
        """See `LogitIntervention`."""
        self.blocks(host.parts.n_layers)
        return super().bound(host)

    def blocks(self, n_layers: int) -> tuple[int, ...]:
        """The layers whose attention is changed.

        Raises:
            LensArgumentError: the model does not have them.
        """
        return layers_by_share(self.layers_of, 3, 32, n_layers, self.name)

    def passing(self, parts: ModelParts) -> Pass:
        """See `LogitIntervention`."""
        assert self.unembedding is not None, "bound() comes first"
        return _Pai(self, self.unembedding, parts=parts, media_ids=self.media_ids, pai=self)

    def logits(self, final: Tensor, early: Tensor) -> Tensor:
        """See `LogitIntervention`; `early[0]` are the logits without the image."""
        logp, without = torch.log_softmax(final, -1), torch.log_softmax(early[0], -1)
        return without + self.gamma * (logp - without)

    def never(self, final: Tensor) -> Tensor | None:
        """See `LogitIntervention`."""
        return below(final, self.cut)


@dataclass
class _Pai(ImageScoresRun):
    """A pass under PAI."""

    pai: Pai = None  # type: ignore[assignment]

    def changing(self, layer: int) -> bool:
        """See `ImageScoresRun`."""
        return layer in self.pai.blocks(self.parts.n_layers)

    def changed(self, scores: Tensor) -> Tensor:
        """See `ImageScoresRun`."""
        return scores + self.pai.strength * scores.abs()

    def beside(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        """See `Pass`."""
        self.look(kwargs, self.pai.name)
        shown = self.shown
        if shown is None or self.pai.gamma == 1:
            return None
        self.alone = ~shown.any(-1)
        return self.stream(forward, args, kwargs, without_positions(kwargs, shown, self.pai.name))
