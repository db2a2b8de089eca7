"""One answered sample on its way to a readout; what cannot be had costs that sample's readout alone, and says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from lens_models import CaptureError, ForcingError, IdentityReport, LogitLens, Readout, ReadoutRow
from lens_models.memory import attempted, free_memory

from .candidates import SampleCandidates
from .forced import Tokens
from .position import AnswerPosition, Unlocated

__all__ = ["Reading", "attempt", "read_rows"]

T = TypeVar("T")
_LEAST_MEMORY = 1  # bytes: one layer at a time, the least that a readout can do with


def attempt(read: Callable[[], T]) -> T | Unlocated:
    """What `read` gives, or why the lens has nothing: the answer is given already and is not concerned."""
    try:
        found, problem = attempted(read)
    except (CaptureError, ForcingError) as error:
        return Unlocated("capture_failed", str(error))
    if not problem:
        return found  # type: ignore[return-value]
    free_memory()
    reason = f"the lens had no memory for the readout of this sample ({problem}); the answer is not concerned"
    return Unlocated("capture_failed", reason)


@dataclass
class Reading:
    """What is known of a sample so far.

    Attributes:
        tokens: what was generated, up to and with the end.
        position: where the answer is; why there is no readout, as soon as one step of it fails.
        candidates: what to read there.
        row: the residuals there.
        readout: what was read.
        identity: the sample's own identity check; None where its logits are NaN or infinite, or were not compared.
    """

    tokens: Tokens
    position: AnswerPosition | Unlocated
    candidates: SampleCandidates = field(default_factory=SampleCandidates)
    row: ReadoutRow | None = None
    readout: Readout | None = None
    identity: IdentityReport | None = None

    def tried(self, read: Callable[[AnswerPosition], T]) -> T | None:
        """What `read` makes of the position; None, and the position becomes the reason, where it fails."""
        position = self.position
        if isinstance(position, Unlocated):
            return None
        found = attempt(lambda: read(position))
        if isinstance(found, Unlocated):
            self.position = found
            return None
        return found


def read_rows(lens: LogitLens, readings: Sequence[Reading]) -> None:
    """Read the rows together; where memory does not do for that, one by one with the least there is."""
    waiting = [(reading, reading.row) for reading in readings if reading.row is not None]
    together = attempt(lambda: lens.read([row for _, row in waiting]))
    if not isinstance(together, Unlocated):
        for (reading, _), readout in zip(waiting, together, strict=True):
            reading.readout = readout
        return
    for reading, row in waiting:
        alone = reading.tried(lambda _, row=row: lens.read([row], memory_limit=_LEAST_MEMORY))  # type: ignore[misc]
        reading.readout = None if alone is None else alone[0]
