"""Interventions on what the predicting position attends to in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lens_models.attention.changing import attention_changed
from lens_models.attention.observing import AttentionCall
from lens_models.parts import ModelParts

from .on_pictures import PictureIntervention
from .prompt import PromptRun

__all__ = ["ImageScores", "ImageScoresRun"]


@dataclass(frozen=True)
class ImageScores(PictureIntervention):
    """Changes the attention scores of predicting positions at positions that stand for pictures or videos."""


@dataclass
class ImageScoresRun(PromptRun):
    """A pass with changed scores."""

    def attached(self, parts: ModelParts) -> AbstractContextManager[Any]:
        """Change the scores of the decoder's attention."""
        return attention_changed(parts, self)

    def changing(self, layer: int) -> bool:
        """Whether scores of a layer are changed in this pass."""
        raise NotImplementedError

    def changed(self, scores: Tensor) -> Tensor:
        """What scores `[rows, heads, context]` become, if they are at pictures."""
        raise NotImplementedError

    def predicting(self) -> Sequence[int]:
        """Which of the last positions are changed, see `ScoreChange.backs`."""
        return range(self.ends)

    def backs(self, call: AttentionCall) -> Sequence[int]:
        """See `ScoreChange`."""
        on = self.running and not self.aside and self.shown is not None and self.changing(call.layer)
        return self.predicting() if on else ()

    def scores(self, call: AttentionCall, scores: Tensor) -> Tensor:
        """See `ScoreChange`."""
        at = self.columns(scores.shape[-1]).to(scores.device)
        return scores.where(~at[:, None], self.changed(scores))
