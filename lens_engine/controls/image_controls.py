"""The controls of a run: which images each sample is read under again, what came of it and what it cost."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from lens_engine.engine import Lens, Replacement
from lens_engine.media import Images, image_digest
from lens_engine.sample import Sample
from lens_models.generation import unchanged_random_state
from lens_models.memory import free_memory
from lens_results import SampleRecord
from lens_results.fingerprint import digest_of

from .other_images import OtherImages, OtherImagesOf
from .reading import BORROWED, Controlled, ControlReading, OwnReading, ReadAgain, ReadTogether

__all__ = ["CONTROL_NAMES", "ImageControls", "controlled_record", "controlled_records", "joined_costs"]

log = logging.getLogger(__name__)

BLANK, SHUFFLED = "blank", "shuffled"
CONTROL_NAMES: tuple[str, ...] = (BLANK, SHUFFLED)
"""All controls, in the order in which they are read."""

_MID_GREY = (128, 128, 128)


class _NotPossibleError(Exception):
    """A sample cannot be read under a control; args are the status and the reason."""


@dataclass
class ControlCost:
    """What a control took beside the run itself.

    Attributes:
        samples: samples read under it.
        forward_passes: calls of the model.
        seconds: wall-clock time for choosing and loading images, encoding, the model and the readout.
    """

    samples: int = 0
    forward_passes: int = 0
    seconds: float = 0.0

    @contextmanager
    def counting(self, lens: Lens) -> Iterator[None]:
        """Adds the passes and the time of what runs within; random states are unchanged afterwards."""
        started = time.perf_counter()
        try:
            with lens.counted_passes() as passes, unchanged_randomness():
                try:
                    yield
                finally:
                    self.forward_passes += passes()
        finally:
            self.seconds += time.perf_counter() - started


class ImageControls:
    """Reads each sample again under a blank image, another document's image, or both, without generating again.

    An answer is already given when its sample comes here, so nothing that fails here stops a run: it becomes the
    control's status in the record, and `failures` counts it.

    Args:
        names: out of `CONTROL_NAMES`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        asked = set(names)
        self.names = tuple(name for name in CONTROL_NAMES if name in asked)
        self.failures: Counter[tuple[str, str]] = Counter()
        self._costs = {name: ControlCost() for name in self.names}
        self._choosers: dict[tuple[str, str | None], OtherImagesOf] = {}

    @property
    def costs(self) -> dict[str, dict[str, Any]]:
        """Control -> samples, forward_passes, seconds of this process so far."""
        return {name: asdict(cost) for name, cost in self._costs.items()}

    def skipped(self) -> Controlled:
        """What is recorded of the controls of a sample that was not read itself."""
        reason = "the sample itself has no readout to compare with"
        return Controlled(
            status=dict.fromkeys(self.names, "not_run"),
            reason=dict.fromkeys(self.names, reason),
            scalars=self._gain(None),
        )

    def read(self, sample: Sample, again: ReadAgain) -> Controlled:
        """Read a sample under each control."""
        return self.read_batch({0: (sample, again)})[0]

    def read_batch(
        self, asked: Mapping[int, tuple[Sample, ReadAgain]], together: ReadTogether | None = None
    ) -> dict[int, Controlled]:
        """Read some samples under each control.

        Args:
            asked: place -> a sample, and what reads its answer under other images.
            together: reads the answers that it can in one run of the model; the others, and all where that fails, are
                read alone.
        """
        found = {place: Controlled(scalars=self._gain(None)) for place in asked}
        for name in self.names:
            started = time.perf_counter()
            shown: dict[int, Replacement] = {}
            for place, (sample, _) in asked.items():
                with self._told(name, found[place]):
                    shown[place] = Replacement(self._images(name, sample, found[place]))
            readings = {} if together is None or len(shown) < 2 else _attempted(together, shown)
            for place, replacement in shown.items():
                with self._told(name, found[place]):
                    reading = readings[place] if place in readings else asked[place][1](replacement)
                    self._take(found[place], name, reading)
            self._costs[name].seconds += time.perf_counter() - started
        return found

    @contextmanager
    def _told(self, name: str, found: Controlled) -> Iterator[None]:
        """What goes wrong inside becomes the status of the control, and nothing draws lots that the run would miss."""
        try:
            with unchanged_randomness():
                yield
        except _NotPossibleError as why:
            found.source.pop(name, None)
            found.status[name], found.reason[name] = why.args
        except Exception as error:  # the answer is given; what a control alone cannot do becomes its status
            reason = f"{type(error).__name__}: {error}"
            found.status[name], found.reason[name] = "failed", reason
            self.failures[name, reason] += 1

    def _take(self, found: Controlled, name: str, reading: ControlReading) -> None:
        self._costs[name].samples += 1
        self._costs[name].forward_passes += reading.passes
        found.status[name] = reading.status
        if reading.reason is not None:
            found.reason[name] = reading.reason
        if reading.arrays:
            found.arrays[name] = reading.arrays
        if name == BLANK:
            found.scalars = self._gain(reading.visual_gain)

    def _gain(self, value: float | None) -> dict[str, float | None]:
        return {"visual_gain": value} if BLANK in self.names else {}

    def borrowed(self, sample: Sample) -> str | None:
        """Digest of the other document's images that the sample's record depends on too.

        None where there is no control with such images.
        """
        if SHUFFLED not in self.names or not sample.media.images or sample.media.other_than_images is not None:
            return None
        return _digest(self._other(sample))

    def _other(self, sample: Sample) -> OtherImages | None:
        if sample.documents is None:
            return None
        return self._chooser(sample).choose(sample.key[1], sample.media.images, sample.target.cluster)

    def _images(self, name: str, sample: Sample, found: Controlled) -> Images:
        if (media := sample.media.other_than_images) is not None:
            raise _NotPossibleError("not_run", f"the prompt has {media}; controls replace images alone")
        if not sample.media.images:
            raise _NotPossibleError("no_image", "the prompt has no image")
        if name == BLANK:
            return blank_images(sample.media.images)
        other = self._other(sample)
        found.borrowed = _digest(other)
        if other is None:
            raise _NotPossibleError(
                "no_other_image", "no other document of the split has another image and another cluster"
            )
        found.source[name] = other.doc_id
        return other.images

    def _chooser(self, sample: Sample) -> OtherImagesOf:
        assert sample.documents is not None
        key = (sample.key[0], sample.split)
        if key not in self._choosers:
            self._choosers[key] = OtherImagesOf(sample.key[0], sample.documents())
        return self._choosers[key]


def controlled_record(own: OwnReading, controls: ImageControls | None) -> SampleRecord:
    """The record of a sample with what the controls of the run gave; everything else in it stays what it was."""
    return controlled_records([own], controls)[0]


def controlled_records(
    batch: Sequence[OwnReading], controls: ImageControls | None, together: ReadTogether | None = None
) -> list[SampleRecord]:
    """`controlled_record` of each sample of a batch; `together` as of `ImageControls.read_batch`, by places in it."""
    if controls is None:
        return [own.record for own in batch]
    asked = {
        place: (own.sample, own.again)
        for place, own in enumerate(batch)
        if own.again is not None and own.record.status == "ok" and not own.sample.padding
    }
    found = controls.read_batch(asked, together)
    return [
        own.record if own.sample.padding else _controlled(own.record, found.get(place) or controls.skipped())
        for place, own in enumerate(batch)
    ]


def _controlled(record: SampleRecord, found: Controlled) -> SampleRecord:
    borrowed = {} if found.borrowed is None else {BORROWED: found.borrowed}
    return replace(
        record,
        fingerprint={**record.fingerprint, **borrowed},
        controls=found.arrays,
        control_source=found.source,
        control_status=found.status,
        control_reason=found.reason,
        label_free={**record.label_free, **found.scalars},
    )


def _attempted(together: ReadTogether, shown: Mapping[int, Replacement]) -> Mapping[int, ControlReading]:
    """What is read together; nothing where that fails, for what one sample cannot do is not the others' fault."""
    try:
        with unchanged_randomness():
            return together(shown)
    except Exception as error:
        log.debug("some samples are read under a control one by one: %r", error)
    free_memory()
    return {}


def _digest(other: OtherImages | None) -> str:
    return "none" if other is None else digest_of([other.doc_id, *image_digest(other.images)])


def blank_images(images: Images) -> tuple[Image.Image, ...]:
    """A uniform mid-grey RGB image of the same width and height for each image."""
    return tuple(Image.new("RGB", image.size, _MID_GREY) for image in images)


@contextmanager
def unchanged_randomness() -> Iterator[None]:
    """Afterwards Python's, numpy's and torch's random states are what they were: tasks and models may have drawn."""
    python, numpy = random.getstate(), np.random.get_state()
    with unchanged_random_state() as rewind:
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            rewind()


def joined_costs(costs: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The costs of all processes together; seconds are added, so that they are those of one process alone."""
    total: dict[str, dict[str, Any]] = {}
    for each in costs:
        for name, cost in each.items():
            own = total.setdefault(name, dict.fromkeys(cost, 0))
            for what, value in cost.items():
                own[what] += value
    return total
