"""Prompts as a selector of image tokens sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lens_models.encoding import encodable_together
from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import Covered
from lens_models.probes import EVERY, ResidualCapture
from lens_models.selection import Shown

from .batching import in_order
from .lens_states import cluster_of
from .sample import Sample
from .selector_targets import BoxTargets, Targets, inside_of
from .transformers_engine import TransformersEngine

__all__ = ["Looked", "looked_at"]

Floats = npt.NDArray[np.float64]
_ALL = 2**62  # bytes
_SHOWN, _COVERED = ("step", "tokens", "target"), ("share", "centre", "seen")


@dataclass(frozen=True)
class Looked:
    """A prompt, or a written step of its response, as a selector sees it.

    Attributes:
        shown: residuals of its last position and of the image tokens, and their targets.
        inside: what of the tokens lies in the boxes of what it is about; None where there are none.
        cluster: what it shares with prompts that are not independent of it: its picture.
        others: of a step, what of the tokens lies in the boxes of each other step of its response that lie elsewhere.
        attention: `[tokens]`, of a step, that of its last token; None where it was not read.
    """

    shown: Shown = field(repr=False)
    inside: Covered | None = field(repr=False)
    cluster: str
    others: tuple[Covered, ...] = field(default=(), repr=False)
    attention: Floats | None = field(default=None, repr=False)

    def tensors(self) -> dict[str, Any]:
        """As numbers on disk."""
        return {
            **{name: getattr(self.shown, name) for name in _SHOWN},
            "cluster": self.cluster,
            "inside": None if self.inside is None else _numbers(self.inside),
            "others": [_numbers(each) for each in self.others],
            "attention": None if self.attention is None else torch.from_numpy(self.attention),
        }

    @classmethod
    def of_tensors(cls, given: Mapping[str, Any]) -> Looked:
        """What `tensors` gave."""
        return cls(
            Shown(*(given[name] for name in _SHOWN)),
            None if given["inside"] is None else _covered(given["inside"]),
            given["cluster"],
            tuple(map(_covered, given["others"])),
            None if given["attention"] is None else given["attention"].numpy(),
        )


def _numbers(covered: Covered) -> list[Tensor]:
    return [torch.from_numpy(getattr(covered, name)) for name in _COVERED]


def _covered(numbers: Sequence[Tensor]) -> Covered:
    return Covered(*(each.numpy() for each in numbers))


@torch.no_grad()
def looked_at(
    engine: TransformersEngine, samples: Sequence[Sample], layer: int, targets: Targets | None = None
) -> list[Looked | None]:
    """What a selector of a layer sees of each prompt, in order; None where it has no targets.

    The position that looks for something is the prompt's last one, which predicts the answer.

    Args:
        engine: with a lens.
        samples: prompts.
        layer: 1 to L.
        targets: what is to be found; by themselves those of boxes.

    Raises:
        CaptureError, InputError: a prompt cannot be encoded, or the layers did not run.
    """
    sought = targets or BoxTargets()
    together = encodable_together(engine.processor, [len(sample.media.images) for sample in samples])
    return in_order(together, lambda rows: _looked_together(engine, [samples[row] for row in rows], layer, sought))


def _looked_together(
    engine: TransformersEngine, samples: Sequence[Sample], layer: int, targets: Targets
) -> list[Looked | None]:
    assert engine.lens is not None
    inputs = engine.prompts.encode(samples)
    kept = ResidualCapture(engine.lens.parts, layer_index=[layer], positions=EVERY, keep_logits=False, limit=_ALL)
    with kept as trace:
        engine.model(**inputs)
    residual = trace.steps[0][0]
    located = engine.located(inputs, samples)
    sought = targets.of(engine, samples, located)
    return [
        None if target is None else _of(residual[row], located[row], samples[row], target)
        for row, target in enumerate(sought)
    ]


def _of(residual: Tensor, tokens: ImageTokens, sample: Sample, target: Floats) -> Looked:
    """Of one row `[positions, d]`; prompts are padded on the left."""
    places = torch.from_numpy(tokens.positions).to(residual.device)
    shown = Shown(residual[-1].cpu(), residual[places].cpu(), torch.from_numpy(target).float())
    return Looked(shown, inside_of(sample, tokens), cluster_of(sample))
