"""Does the answer depend on these image tokens: it is read again without them, and without as many others."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from PIL import Image

from lens_engine.engine import Replacement
from lens_engine.image_maps import Observed
from lens_engine.sample import Sample
from lens_models.image_tokens import ImageTokens
from lens_models.video import Video
from lens_results import SampleRecord

from .image_controls import ControlCost, unchanged_randomness
from .masks import BOXES, MASK_NAMES, TOP_ATTENTION, Masks, NoMaskError, all_masks, masks_of
from .reading import ReadAgain

__all__ = ["EMBEDDING", "MASK_WAYS", "PIXELS", "CausalMasks", "replacement"]

EMBEDDING, PIXELS = "embedding", "pixels"
MASK_WAYS = (EMBEDDING, PIXELS)
_PREFIX = {BOXES: "causal_drop", TOP_ATTENTION: "attention_drop", "top_lens": "word_drop"}
"""What the drop under a mask is called among the scalars."""
_SUFFIX = {"own": "", "random": "_random", "null": "_null", "other": "_other"}


class CausalMasks:
    """Masks image tokens of each answered sample and measures by how much the answer's log-odds drop.

    By `embedding` the tokens become the mean image token before the first decoder layer; what the vision encoder
    already spread from there to other tokens stays. By `pixels` their places in the picture are painted in its mean
    colour, and the vision encoder runs again.

    Args:
        names: out of `MASK_NAMES`.
        way: out of `MASK_WAYS`.
    """

    def __init__(self, names: Iterable[str], way: str = EMBEDDING) -> None:
        asked = set(names)
        self.names = tuple(name for name in MASK_NAMES if name in asked)
        self.way = way
        self.failures: Counter[tuple[str, str]] = Counter()
        self._costs = {name: ControlCost() for name in self.names}

    @property
    def costs(self) -> dict[str, dict[str, Any]]:
        """Mask -> samples, forward_passes, seconds of this process so far."""
        return {f"causal {name}": asdict(cost) for name, cost in self._costs.items()}

    def read(
        self,
        record: SampleRecord,
        sample: Sample,
        observed: Observed,
        locate: Callable[[], ImageTokens],
        again: ReadAgain,
    ) -> SampleRecord:
        """The record with the drops under each mask and their status; never raises for what only a mask cannot do.

        Args:
            record: of the sample.
            sample: the sample.
            observed: the maps of its probes.
            locate: gives its image tokens.
            again: reads its answer under a replacement.
        """
        if record.status != "ok" or sample.padding:
            return record
        free: dict[str, float | None] = dict(record.label_free)
        gold: dict[str, float | None] = dict(record.gold_based)
        status = dict(record.probe_status)
        for name in self.names:
            started = time.perf_counter()
            try:
                tokens = locate()
                masks = masks_of(name, sample.key, tokens, sample.picture_sizes, sample.boxes, observed.heats)
                with unchanged_randomness():
                    drops = self._drops(name, masks, sample, tokens, again)
                (gold if name == BOXES else free).update(drops)
                status[f"causal {name}"] = "ok"
                self._costs[name].samples += 1
            except NoMaskError as why:
                status[f"causal {name}"] = ": ".join(why.args)
            except Exception as error:  # the answer is given; what a mask alone cannot do becomes its status
                reason = f"{type(error).__name__}: {error}"
                status[f"causal {name}"] = f"failed: {reason}"
                self.failures[name, reason] += 1
            self._costs[name].seconds += time.perf_counter() - started
        return replace(record, label_free=free, gold_based=gold, probe_status=status)

    def _drops(
        self, name: str, masks: Masks, sample: Sample, tokens: ImageTokens, again: ReadAgain
    ) -> dict[str, float | None]:
        found: dict[str, list[float]] = {}
        for kind, numbers in all_masks(masks):
            reading = again(replacement(self.way, sample, tokens, numbers))
            self._costs[name].forward_passes += reading.passes
            if reading.status != "ok" or reading.visual_gain is None:
                status = "no_candidates" if reading.status == "ok" else reading.status
                raise NoMaskError(status, reading.reason or "there are no candidates, or the answer names none")
            found.setdefault(kind, []).append(reading.visual_gain)
        return {f"{_PREFIX[name]}{_SUFFIX[kind]}": float(np.mean(values)) for kind, values in found.items()}


def replacement(way: str, sample: Sample, tokens: ImageTokens, numbers: Sequence[int]) -> Replacement:
    """What a sample is run with when some of its image tokens, by number, are masked.

    Raises:
        NoMaskError: they have no place that could be painted over.
    """
    if way == EMBEDDING:
        return Replacement(masked=tuple(numbers))
    if tokens.boxes is None:
        raise NoMaskError("no_geometry", tokens.problem or "where the image tokens lie is not known")
    masked = tokens.only(np.isin(np.arange(len(tokens)), numbers))
    assert masked.boxes is not None
    if masked.frames is None:
        pictures = enumerate(sample.media.images)
        return Replacement(tuple(painted_over(each, masked.boxes[masked.image == at]) for at, each in pictures))
    return Replacement(videos=[_painted_frames(each, masked, at) for at, each in enumerate(sample.media.videos)])


def _painted_frames(video: Video, masked: ImageTokens, number: int) -> Video:
    """The video with the places of some tokens in the mean colour of each frame that they stand for."""
    assert masked.boxes is not None
    frames = video.frames.copy()
    first, last = masked.shown.T
    for frame in range(len(frames)):
        boxes = masked.boxes[(masked.image == number) & (first <= frame) & (frame <= last)]
        frames[frame] = np.asarray(painted_over(Image.fromarray(frames[frame]), boxes))
    return replace(video, frames=frames)


def painted_over(image: Image.Image, boxes: Any) -> Image.Image:
    """The picture with places, `[boxes, 4]` in shares of its width and height, in its mean colour."""
    pixels = np.asarray(image.convert("RGB")).copy()
    height, width = pixels.shape[:2]
    colour = np.rint(pixels.reshape(-1, 3).mean(axis=0)).astype(np.uint8)
    for left, top, right, bottom in np.clip(np.asarray(boxes, dtype=np.float64), 0, 1):
        rows = slice(int(np.floor(top * height)), int(np.ceil(bottom * height)))
        pixels[rows, int(np.floor(left * width)) : int(np.ceil(right * width))] = colour
    return Image.fromarray(pixels)
