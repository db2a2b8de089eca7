"""The same answer read again under other images: what a reader hands out for it, and what comes into the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from lens_engine.engine import Replacement
from lens_engine.sample import Sample
from lens_models.readout import FloatArray
from lens_results import SampleRecord

__all__ = ["BORROWED", "ControlReading", "Controlled", "Controls", "ReadAgain", "controlled_record", "counted_passes"]


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


class Controls(Protocol):
    """Decides under which images a sample is read again."""

    def read(self, sample: Sample, again: ReadAgain) -> Controlled:
        """Read a sample under each control; never raises for what only a control cannot do."""

    def skipped(self) -> Controlled:
        """What is recorded of the controls of a sample that was not read itself."""

    def borrowed(self, sample: Sample) -> str | None:
        """Digest of another document's images that the sample is read under; None without such a control."""


def controlled_record(
    record: SampleRecord, sample: Sample, again: ReadAgain | None, controls: Controls | None
) -> SampleRecord:
    """The record with what the controls gave; everything else in it stays what it was."""
    if controls is None or sample.padding:
        return record
    found = controls.skipped() if again is None or record.status != "ok" else controls.read(sample, again)
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


@contextmanager
def counted_passes(head: Any) -> Iterator[Callable[[], int]]:
    """Yields a function that counts how often the model ran since; its head runs once in a forward pass."""
    count = 0

    def run(*_: Any) -> None:
        nonlocal count
        count += 1

    handle = head.register_forward_pre_hook(run)
    try:
        yield lambda: count
    finally:
        handle.remove()
