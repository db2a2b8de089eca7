"""When a writer of parts writes: often enough that a kill costs little, and no slower for a disk that refuses."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from lens_results.errors import LensResultsError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["PartWriter"]


class PartWriter(ABC):
    """Holds what waits for the next part of one process of a run; not thread-safe.

    A part is due when enough waits, or on the first addition at least `part_seconds` after the last write. After a
    refusal of the disk an addition tries again at the earliest `part_seconds` later; what waits is kept.

    Args:
        directory: the output folder of the run.
        rank: the process; all processes of a run share the folder and the run's id.
        part_seconds: longest time between two parts while something is added.
    """

    def __init__(self, directory: str | Path, rank: int, part_seconds: float) -> None:
        self.directory, self.rank, self.part_seconds = Path(directory), rank, part_seconds
        self._last_write = time.monotonic()
        self._refused = False
        self._closed = False

    @property
    @abstractmethod
    def waiting(self) -> int:
        """How much is not yet on disk."""

    @abstractmethod
    def _write_waiting(self) -> None:
        """Write what waits. Raises `RecordWriteError`, and then keeps it."""

    def flush(self) -> None:
        """Write what waits. Raises `RecordWriteError` when the disk refuses."""
        self._last_write, self._refused = time.monotonic(), True
        self._write_waiting()
        self._last_write, self._refused = time.monotonic(), False

    def close(self) -> None:
        """Write what waits and refuse further additions. Does not merge the parts."""
        if not self._closed:
            self.flush()
            self._closed = True

    def _flush_when_due(self, enough: int) -> None:
        if (self.waiting >= enough and not self._refused) or time.monotonic() - self._last_write >= self.part_seconds:
            self.flush()

    def _check_open(self, addition: str) -> None:
        if self._closed:
            raise LensResultsError(
                f"{addition}: found a closed {type(self).__name__}. Open a new one on the same run to continue."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
