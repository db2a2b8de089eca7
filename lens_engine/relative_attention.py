"""Relative attention: what the question adds to what the model looks at in this picture anyway."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_models.image_tokens import ImageTokens
from lens_models.probes import Answered, Arrays

from .controls import ControlCost
from .engine import BatchTrace, Engine, as_shown
from .failures import failure
from .sample import Sample

__all__ = ["GENERIC_PROMPT", "RELATIVE", "RelativeAttention", "ratio"]

GENERIC_PROMPT = "Write a general description of the image."
"""That of arXiv:2502.17422; before a video "video" stands in place of "image"."""
RELATIVE = "relative_attention"
_KEPT_NUMBERS = 2**24
"""Numbers of generic maps that are kept for further questions about the same pictures: 64 MiB."""


class RelativeAttention:
    """A(answer, i | question) / A(last position, i | generic prompt) of each image token i, means over heads, by layer.

    The generic prompt is put to the same pictures in the model's chat template and runs one forward pass, once for all
    questions about them in a row (Zhang et al., arXiv:2502.17422).

    Args:
        engine: of the model that answers.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._maps: OrderedDict[tuple[str, ...], Arrays] = OrderedDict()
        self._numbers = 0
        self.cost = ControlCost()

    def of(
        self, sample: Sample, tokens: ImageTokens | None, own: Arrays, status: dict[str, str]
    ) -> Mapping[str, Arrays]:
        """The relative map of a sample under its name, or nothing; says in `status` which.

        Args:
            sample: the sample.
            tokens: its image tokens.
            own: what the probe `attention` gave of it.
            status: what was observed -> "ok", or one word and why not.

        Returns:
            `layers` `[layers]` and `map` `[layers, image tokens]`, of the layers in which the generic prompt attends to
            each image token.
        """
        if tokens is None or not len(tokens) or "map" not in own:
            status[RELATIVE] = "nothing: there is no attention map"
            return {}
        started = time.perf_counter()
        try:
            found = ratio(own, self._generic(sample))
        except Exception as error:  # the answer is given; what this alone cannot do becomes its status
            status[RELATIVE] = f"failed: {failure(error).reason}"
            return {}
        finally:
            self.cost.seconds += time.perf_counter() - started
        self.cost.samples += 1
        status[RELATIVE] = "ok" if found else "nothing: the generic prompt does not attend to every image token"
        return {RELATIVE: found} if found else {}

    def _generic(self, sample: Sample) -> Arrays:
        """What the probe gives of the generic prompt."""
        media = as_shown(self._engine, sample).media
        key = (*media.image_sha256, *media.other_sha256)
        if key not in self._maps:
            prompt = GENERIC_PROMPT.replace("image", "video") if media.videos else GENERIC_PROMPT
            found = _attention(self._engine.look(media, prompt))
            self.cost.forward_passes += 1
            self._maps[key] = found
            self._numbers += found["map"].size
            while self._numbers > _KEPT_NUMBERS and len(self._maps) > 1:
                self._numbers -= self._maps.popitem(last=False)[1]["map"].size
        self._maps.move_to_end(key)
        return self._maps[key]


def _attention(trace: BatchTrace) -> Arrays:
    """Layers and map of the first step.

    Raises:
        ValueError: there is no map.
    """
    found: Any = next((each.result(Answered(0, [0], 0)) for each in trace.probes if each.name == "attention"), {})
    if "map" not in found:
        problem = trace.image_tokens[0].problem if trace.image_tokens else None
        raise ValueError(f"the generic prompt has no attention map: {problem or 'the probe did not run'}")
    return {name: found[name] for name in ("layers", "map")}


def ratio(own: Arrays, generic: Arrays) -> Arrays:
    """`layers` and `map` of one map divided by another, where the other is above 0 at every image token.

    Raises:
        ValueError: the two are not about the same image tokens and layers.
    """
    above, below = (each["map"].astype(np.float64) for each in (own, generic))
    if above.shape != below.shape or not np.array_equal(own["layers"], generic["layers"]):
        raise ValueError(f"{above.shape} layers and image tokens, but {below.shape} under the generic prompt")
    divided: npt.NDArray[np.float64] = above / np.where(below > 0, below, 1.0)
    kept = (below > 0).all(axis=1) & (divided < np.finfo(np.float32).max).all(axis=1)
    return {"layers": own["layers"][kept], "map": divided[kept].astype(np.float32)} if kept.any() else {}
