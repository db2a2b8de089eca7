"""What a selector of image tokens is to find: what lies in boxes, or what the model's own answer depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import Covered, covered
from lens_tasks.regions import BoxError

from .answer_drops import drops_under, own_answers, painted_samples, windows_at
from .places import seen_boxes
from .sample import Sample
from .transformers_engine import TransformersEngine

__all__ = ["BoxTargets", "DropTargets", "Targets", "inside_of"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Targets:
    """Makes the targets of prompts; its fields are what they depend on."""

    name: ClassVar[str]
    """What is learnt from."""
    needed: ClassVar[str]
    """What prompts must have, for the error where none has it."""
    of_the_model: ClassVar[bool]
    """Whether they are the model's own doing, so that a map is held against them and not against boxes alone."""

    def of(
        self, engine: TransformersEngine, samples: Sequence[Sample], tokens: Sequence[ImageTokens]
    ) -> list[Floats | None]:
        """`[tokens]` of each sample, 0 to 1, NaN where it is not measured; None for a sample that has none.

        Args:
            engine: of transformers, with a lens.
            samples: that can be encoded together.
            tokens: the image tokens of each.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class BoxTargets(Targets):
    """The share of each image token's area in the boxes of what is asked about."""

    name: ClassVar[str] = "boxes"
    needed: ClassVar[str] = (
        "a box of what is asked about that an image token lies in; expected boxes in the documents (docs/boxes.md), or "
        "in the lines of questions.jsonl"
    )
    of_the_model: ClassVar[bool] = False

    def of(
        self, engine: TransformersEngine, samples: Sequence[Sample], tokens: Sequence[ImageTokens]
    ) -> list[Floats | None]:
        """See `Targets`."""
        found = [inside_of(sample, own) for sample, own in zip(samples, tokens, strict=True)]
        return [None if each is None else each.share for each in found]


@dataclass(frozen=True)
class DropTargets(Targets):
    """The share of the probability of the model's own greedy answer that is lost when a window around a token is
    painted over: 1 - exp(-max(drop, 0)), the drop in nats (occlusion: Zeiler and Fergus, arXiv:1311.2901).

    Neither boxes nor right answers are looked at. The vision encoder runs again over each painted picture.

    Attributes:
        windows: how many image tokens of a prompt are measured, drawn from its key; all where it has no more.
        share: side of a window as a share of the picture's sides; a token that is larger is its own window.
        max_new_tokens: of the answer.
        at_once: prompts of a pass.
    """

    windows: int = 16
    share: float = 0.25
    max_new_tokens: int = 16
    at_once: int = 17
    name: ClassVar[str] = "drops"
    needed: ClassVar[str] = "a picture whose image tokens have places in it, and an answer of the model"
    of_the_model: ClassVar[bool] = True

    def of(
        self, engine: TransformersEngine, samples: Sequence[Sample], tokens: Sequence[ImageTokens]
    ) -> list[Floats | None]:
        """See `Targets`.

        Raises:
            ForcingError: the model is not made to say given tokens.
        """
        answers = own_answers(engine, samples, self.max_new_tokens)
        return [
            self._measured(engine, *each) if each[1] and each[2].boxes is not None and each[2].frames is None else None
            for each in zip(samples, answers, tokens, strict=True)
        ]

    def _measured(
        self, engine: TransformersEngine, sample: Sample, answer: tuple[int, ...], tokens: ImageTokens
    ) -> Floats | None:
        there = np.flatnonzero(tokens.inside() > 0)
        if not len(there):
            return None
        seed = hashlib.sha256(repr(sample.key).encode()).digest()[:8]
        places = np.random.default_rng(int.from_bytes(seed, "big")).permutation(there)[: self.windows]
        windows = windows_at(tokens, places.tolist(), self.share)[:, None]
        painted = painted_samples(sample, tokens.image[places].tolist(), list(windows))
        found = np.full(len(tokens), np.nan)
        found[places] = 1 - np.exp(-drops_under(engine, sample, answer, painted, self.at_once).clip(min=0))
        return found


def inside_of(sample: Sample, tokens: ImageTokens) -> Covered | None:
    """What of each image token lies in the boxes of what is asked about; None where none does."""
    boxes = {} if isinstance(sample.boxes, BoxError) else seen_boxes(sample.boxes)
    if not boxes or tokens.boxes is None or not len(tokens):
        return None
    inside = covered(tokens, boxes)
    return inside if inside.share.any() else None
