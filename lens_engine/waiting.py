"""Answered samples that wait for others: what follows the head is computed once for all that are read together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Generic, TypeVar

from .sample import Sample

__all__ = ["READ_SECONDS", "TOGETHER", "WaitingAnswers"]

A = TypeVar("A")

TOGETHER = 8
"""Samples that are worth waiting for; a readout costs no less a sample in larger groups."""
READ_SECONDS = 1.0
"""What a kill can cost of the answers that wait."""
_HELD_BYTES = 32 * 2**20


class WaitingAnswers(Generic[A]):
    """The answers of small batches until there are `TOGETHER`, they hold 32 MiB, or the next would come too late.

    The next batch is expected to take as long as the last one.
    """

    def __init__(self) -> None:
        self._samples: list[Sample] = []
        self._answers: list[A] = []
        self._held = 0
        self._since = self._last = time.monotonic()

    def add(self, samples: Sequence[Sample], answers: Sequence[A], held: int | None) -> bool:
        """Take a batch; whether all that waits is to be read now.

        Args:
            samples: a batch.
            answers: one a sample.
            held: bytes that are held while it waits; None where nothing is gained by waiting.
        """
        now = time.monotonic()
        took, self._last = now - self._last, now
        if not self._samples:
            self._since = now - took
        self._samples += samples
        self._answers += answers
        self._held += held or 0
        late = now + took - self._since > READ_SECONDS
        return held is None or late or len(self._samples) >= TOGETHER or self._held > _HELD_BYTES

    def take(self) -> tuple[list[Sample], list[A]]:
        """What waits, in order; nothing waits then."""
        taken = self._samples, self._answers
        self._samples, self._answers, self._held = [], [], 0
        self._last = time.monotonic()
        return taken
