"""What the readout of steps against regions needs of the generation itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lens_models.parts import ModelParts

from .attention import ImageAttention, middle
from .image_tokens import ImageTokenLens
from .protocol import Answered, Arrays, Batch, ProvenLens, Step

__all__ = ["StepRegions"]

Floats = npt.NDArray[np.float64]


class StepRegions(ImageAttention):
    """Attention of every generated token to the image tokens, and the image tokens' lens.

    Where a step ends and what it states is known when the text is there, so `lens_engine.step_regions` asks for the
    maps afterwards; `result` has none.
    """

    name: ClassVar[str] = "step_regions"
    observes_given: ClassVar[bool] = False

    def __init__(self, lens: ProvenLens, batch: Batch) -> None:
        super().__init__(lens, batch)
        self._said = ImageTokenLens(lens, batch)

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        """See `Probe`."""
        with super().attach(parts), self._said.attach(parts):
            yield

    def on_step(self, step: Step) -> None:
        """See `Probe`."""
        super().on_step(step)
        self._said.on_step(step)

    def result(self, answered: Answered) -> Arrays:
        """Nothing: see `looked` and `words`."""
        return {}

    def statuses(self, answered: Answered) -> Mapping[str, str]:
        """Nothing more."""
        return {}

    def looked(self, answered: Answered, passes: Sequence[int]) -> Floats | None:
        """`[passes, image tokens]`: attention in some forward passes, mean over heads and middle layers.

        None where a pass was let go or did not run, or there are no image tokens.
        """
        if any(number >= len(answered.rows) for number in passes):  # the response ends with a step
            return None
        found = [super(StepRegions, self).result(replace(answered, step=number)) for number in passes]
        if not found or not all("map" in each for each in found):
            return None
        layers = found[0]["layers"].astype(np.int64)
        among = middle(layers, self._n_layers)
        return np.stack([each["map"][among].astype(np.float64).mean(axis=0) for each in found])

    def words(self, answered: Answered) -> Floats | None:
        """`[image tokens]`: the largest probability over layers of each word of `answered`, the least over the words.

        None without words or image tokens.
        """
        found = self._said.result(answered)
        maps = [found[f"map {word}"] for word in answered.words if f"map {word}" in found]
        if not maps or len(maps) < len(answered.words):
            return None
        together: Floats = np.stack(maps).astype(np.float64).max(axis=1).min(axis=0)
        return together
