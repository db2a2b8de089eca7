"""The model that interventions are made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lens_models.attention.proof import EXACT, AttentionReport, prove_attention
from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts
from lens_models.unembed import Unembedding

__all__ = ["Host"]


@dataclass(frozen=True)
class Host:
    """A model, and what interventions need to know of it.

    Attributes:
        unembedding: its norm and head.
        tokenizer: its tokenizer; None where there is none.
        media_ids: of each kind of media the ids that may stand for a part of it in a prompt, the likeliest first.
        example: a prompt with a picture, on which attention is proven.
    """

    unembedding: Unembedding
    tokenizer: Any = field(default=None, repr=False)
    media_ids: tuple[tuple[int, ...], ...] = ()
    example: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def parts(self) -> ModelParts:
        """Layers, norm and head."""
        return self.unembedding.parts

    def require_positions(self, name: str) -> None:
        """Make sure that pictures stand in the prompt.

        Raises:
            LensArgumentError: they do not.
        """
        if not any(self.media_ids):
            cls = self.parts.model_class
            raise LensArgumentError(f"{name}: no position of the prompts of {cls} is known to stand for a picture")

    def attention(self, name: str) -> AttentionReport:
        """How the attention of its layers to pictures in the prompt is read.

        Raises:
            LensArgumentError: it is not read, or pictures do not stand in the prompt.
        """
        self.require_positions(name)
        cls = self.parts.model_class
        if self.example is None:
            raise LensArgumentError(f"{name}: no position of the prompts of {cls} is known to stand for a picture")
        report = prove_attention(self.parts.model, self.parts, self.example)
        if report.status != EXACT:
            raise LensArgumentError(f"{name} needs attention, and that of {cls} is not read: {report.reason}")
        return report

    def require_pictures(self, name: str) -> None:
        """Make sure that pictures stand in the prompt, and that every layer looks at them by an attention that is read.

        Raises:
            LensArgumentError: they do not, or it does not.
        """
        report, cls = self.attention(name), self.parts.model_class
        left = sorted(set(range(1, self.parts.n_layers + 1)) - set(report.layers))
        if left:
            raise LensArgumentError(
                f"{name} changes attention to pictures, and layers {', '.join(map(str, left))} of {cls} have none "
                "(linear attention, state space or cross-attention)"
            )
