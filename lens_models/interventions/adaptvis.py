"""AdaptVis: scores of image tokens are sharpened where the model is sure, and flattened where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts

from .image_attention import ImageScores, ImageScoresRun
from .model_output import Pass

__all__ = ["AdaptVis"]


@dataclass(frozen=True)
class AdaptVis(ImageScores):
    """S at the image tokens times `low` where the plain model's largest p is below `threshold`, else times `high`.

    Chen et al., arXiv:2503.01773, as in the authors' code: S are the scaled scores of the last position of the prompt
    before the mask, in all layers; what follows the prompt is generated with plain attention; p is that of the first
    token. The authors round it to two places before they compare, which is not done here.

    Costs a second run of the model over the prompt, and there the attention of the last position three times.

    Attributes:
        strength: 1; a part of it moves the factor as far from 1.
        low: the authors' 0.5 or 0.8.
        high: the authors' 1.2, 1.5 or 2.
        threshold: the authors' 0.3 or 0.4; they choose all three on a part of each data set.
    """

    name: ClassVar[str] = "adaptvis"
    low: float = 0.5
    high: float = 1.2
    threshold: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise LensArgumentError(f"adaptvis: threshold={self.threshold}; expected a probability")

    def passing(self, parts: ModelParts) -> Pass:
        """See `LogitIntervention`."""
        assert self.unembedding is not None, "bound() comes first"
        return _AdaptVis(self, self.unembedding, parts=parts, media_ids=self.media_ids, adaptvis=self)


@dataclass
class _AdaptVis(ImageScoresRun):
    """A pass under AdaptVis."""

    adaptvis: AdaptVis = None  # type: ignore[assignment]
    factors: Tensor | None = None  # [rows, 1, 1]

    def changing(self, layer: int) -> bool:
        """See `ImageScoresRun`."""
        return self.first and self.factors is not None

    def predicting(self) -> Sequence[int]:
        """See `ImageScoresRun`: the last position of the prompt alone."""
        return (self.ends - 1,)

    def changed(self, scores: Tensor) -> Tensor:
        """See `ImageScoresRun`."""
        assert self.factors is not None
        return scores * self.factors.to(scores.device)

    def beside(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        """See `Pass`: the plain run that says how sure the model is."""
        set_to, self.factors = self.adaptvis, None
        self.look(kwargs, set_to.name)
        if self.first and self.shown is not None:
            logits = self.trial(forward, args, kwargs).logits[:, -self.ends]
            sure = torch.softmax(logits.float(), -1).amax(-1) >= set_to.threshold
            factor = torch.where(sure, set_to.high, set_to.low)
            self.factors = (1 + set_to.strength * (factor - 1))[:, None, None]
        return None
