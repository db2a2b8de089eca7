"""The same answer read again under other images: what a reader hands out for it, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lens_engine.engine import Replacement
from lens_engine.sample import Sample
from lens_models.readout import FloatArray
from lens_results import SampleRecord

__all__ = ["BORROWED", "ControlReading", "Controlled", "OwnReading", "ReadAgain", "ReadTogether"]


@dataclass(frozen=True)
class ControlReading:
    """An answer read under other images.

    Attributes:
        arrays: name of a quantity -> [layers] or [layers, width], see docs/record-format.md; empty when not read.
        visual_gain: final log-odds of the answer given with its own images minus with these, in nats; None where the
            task has no candidates that may be looked at.
        passes: forward passes of the model that it took.
        status: ok, non_finite or identity_failed.
        reason: what happened, in words, when the status is not ok.
    """

    arrays: Mapping[str, FloatArray]
    visual_gain: float | None
    passes: int
    status: str = "ok"
    reason: str | None = None


BORROWED = "borrowed"
"""Sample part of the fingerprint of a record that was read under another document's images."""

ReadAgain = Callable[[Replacement], ControlReading]
"""What a sample is run with in place of its own -> its answer, teacher-forced, read under it."""

ReadTogether = Callable[[Mapping[int, Replacement]], Mapping[int, ControlReading]]
"""Place of a sample in a batch -> what it is run with; the readings of those that could be run together."""


@dataclass(frozen=True)
class OwnReading:
    """A sample as it was read under its own images.

    Attributes:
        sample: what was answered.
        record: what was read.
        again: reads its answer under something else; None where it has no readout.
    """

    sample: Sample
    record: SampleRecord
    again: ReadAgain | None


@dataclass
class Controlled:
    """What the controls of one sample gave: control -> arrays, source document, status, reason; and the visual gain.

    `borrowed` is the digest of another document's images where a control takes some.
    """

    arrays: dict[str, Mapping[str, FloatArray]] = field(default_factory=dict)
    source: dict[str, int] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    reason: dict[str, str] = field(default_factory=dict)
    scalars: dict[str, float | None] = field(default_factory=dict)
    borrowed: str | None = None
