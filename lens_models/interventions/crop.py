"""Second look: the part of the picture that the question draws attention to is shown once more."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts

from .host import Host

__all__ = ["Crop"]

_SIDE = 224


@dataclass(frozen=True)
class Crop:
    """The prompt has a part of its picture as a second one, or in its place.

    Zhang et al., arXiv:2502.17422 (ViCrop with relative attention), as in the authors' code
    (github.com/saccharomycetes/mllms_know, a64c5d5): the attention of the prompt's last position to each image token,
    mean over the heads of one layer, divided by that of a generic prompt about the same picture; the window that stands
    out most (`crop_window.window`) is cut out of the picture and stands behind it. Their generic prompt ends with the
    task's instruction ("Answer the question using a single word or phrase."), which is not told apart here; it stands
    in the model's own chat template. Other interventions change the answer alone and not this look.

    It changes the prompt and nothing in the run. Prompts without pictures, with several, or with videos or sounds run
    as they are, and so do those whose picture has no map; records say why.

    Costs two runs of the model more over the prompt, one of them once for all questions about a picture in a row, and
    with `keep` the tokens of a second picture.

    Attributes:
        strength: 1; there is nothing in between.
        depth: which layer looks, in shares of the depth; the authors' layers are 15 of 32 of LLaVA-1.5 and 23 of 36 of
            Qwen2.5-VL-3B (numbers 14 and 22 from 0).
        size: side of the smallest window in pixels of the picture; 0 for that of the model's vision tower, where its
            configuration has one, else 224: the authors' 336 for LLaVA-1.5, 224 for others.
        keep: 1: the part stands behind the picture; 0: in its place.
        side: the size, of a model.
    """

    name: ClassVar[str] = "crop"
    strength: float = 1.0
    depth: float = 15 / 32
    size: int = 0
    keep: int = 1
    side: int = field(default=_SIDE, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.strength not in (0, 1) or not 0 < self.depth <= 1 or self.size < 0 or self.keep not in (0, 1):
            raise LensArgumentError(
                f"crop: strength={self.strength}, depth={self.depth}, size={self.size}, keep={self.keep}; expected a "
                "strength of 0 or 1, a share of the depth above 0, a size in pixels or 0, and keep 0 or 1"
            )

    def block(self, n_layers: int) -> int:
        """The layer that looks, from 1."""
        return max(1, round(self.depth * n_layers))

    def bound(self, host: Host) -> Crop:
        """The same for a model.

        Raises:
            LensArgumentError: the attention of its layer to pictures is not read.
        """
        report, block = host.attention(self.name), self.block(host.parts.n_layers)
        if block not in report.layers:
            raise LensArgumentError(
                f"crop: layer {block} of {host.parts.model_class} has no attention to pictures; choose one of "
                f"{', '.join(map(str, report.layers))} by depth={block}/{host.parts.n_layers} as a number"
            )
        vision = getattr(host.parts.model.config, "vision_config", None)
        own = getattr(vision, "image_size", None)
        return replace(self, side=self.size or (own if isinstance(own, int) else _SIDE))

    def attach(self, parts: ModelParts) -> AbstractContextManager[Any]:
        """Nothing: the engine changes the prompt."""
        return nullcontext()
